import type { Endpoint } from '../load/protocol.ts';
import type { ScenarioName } from '../options.ts';
import type { Children } from './children.ts';

/** A subject that is up and serving. */
export interface Subject {
  readonly name: string;
  readonly endpoint: Endpoint;
  /** The model name that its clients send. */
  readonly model: string;
  /** A model whose provider speaks another format, where the subject can translate. */
  readonly translatedModel?: string;
  /** A model with many targets, where the subject chooses among them. */
  readonly manyModel?: string;
  /** Process whose CPU and memory count as the subject's, descendants included; undefined for one that is out of reach. */
  readonly pid: number | undefined;
  /** Where it serves the event-loop metrics; undefined for one that was not started to measure them. */
  readonly metricsUrl?: string;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Measure the event-loop delay every millisecond, which costs 1 to 3 % of a core. */
  readonly eventLoop?: boolean;
}

export interface SubjectSpec {
  readonly name: string;
  /** The scenarios that it is measured in; all, where there are none. */
  readonly only?: readonly ScenarioName[];
  start(options?: StartOptions): Promise<Subject>;
}

export interface SubjectContext {
  readonly children: Children;
  /** Executable of the runtime that Weir and the floor run on. */
  readonly runtime: string;
  /** Root folder of the checkout. */
  readonly root: string;
  /** Folder for configurations and data, removed in the end. */
  readonly temporary: string;
  readonly upstreamPort: number;
  /** Value of the admin key of the Weir under test. */
  readonly adminKey: string;
}
