export { FAULTS, type FaultName } from './fault-names.ts';
export { MODELS } from './models.ts';
export { OPTIONS, OPTIONS_HEADER, type SimulatorOptions } from './options.ts';
export { createSimulator, type Simulator, type SimulatorDeps } from './simulator.ts';
