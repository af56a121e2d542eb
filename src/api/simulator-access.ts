import { GatewayError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import { resolveModel } from '../pipeline/resolve-model.ts';
import type { ModelDirectory, ModelRoute } from '../routing/directory.ts';
import type { RoutingConstraints } from '../routing/request-facts.ts';

/** Who may use targets that generate test responses. */
export interface SimulatorAccess {
  readonly mode: 'off' | 'admin' | 'all';
  /** A configured model may lead to such a target, itself or through the models that it names. */
  readonly isReachable: boolean;
}

interface Snapshot {
  readonly simulator: SimulatorAccess;
}
interface SnapshotWithModels extends Snapshot {
  readonly directory: ModelDirectory;
}
type Caller = Pick<Principal, 'kind'>;

export function mayUseSimulator({ simulator }: Snapshot, { kind }: Caller): boolean {
  return simulator.mode === 'all' || kind === 'admin';
}

/** Whether every target of a model generates test responses. */
export function isSimulated({ targets }: ModelRoute): boolean {
  return targets.length > 0 && targets.every(({ provider }) => provider.profile.isSimulated);
}

/** @returns the constraints of a request whose model has other targets too, or names models of the simulator */
export function withSimulatorRule(
  constraints: RoutingConstraints | undefined,
  snapshot: Snapshot,
  caller: Caller,
): RoutingConstraints | undefined {
  if (!snapshot.simulator.isReachable || mayUseSimulator(snapshot, caller)) return constraints;
  return { ...constraints, excludesSimulator: true };
}

/** @returns whether a model is shown to a caller */
export function isShown(snapshot: SnapshotWithModels, caller: Caller, name: string): boolean {
  if (mayUseSimulator(snapshot, caller)) return true;
  const route = snapshot.directory.resolve(name);
  return !route || !isSimulated(route);
}

/**
 * Resolves the name of a model that a caller uses.
 * @throws GatewayError `model_not_found`, or `permission_denied` for a model of the simulator and a key that may not use it
 */
export function resolveFor(snapshot: SnapshotWithModels, caller: Caller, name: string): ModelRoute {
  const route = resolveModel(snapshot.directory, name, (similar) => isShown(snapshot, caller, similar));
  if (mayUseSimulator(snapshot, caller) || !isSimulated(route)) return route;
  throw new GatewayError(
    'permission_denied',
    `The model "${name.slice(0, 200)}" is of the simulator, which only admin keys may use here. Use another model, or set "simulator: all" in the configuration.`,
    { param: 'model' },
  );
}
