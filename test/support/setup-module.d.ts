/** Types of `scripts/setup.mjs`, which is plain JavaScript because it runs before anything is installed. */
declare module '*/scripts/setup.mjs' {
  /** Path of the runtime's executable. Installs what is missing. */
  export function setUp(options?: { withDev?: boolean }): string;
  /** The caller's environment plus the variables that the runtime reads before it starts. */
  export function runtimeEnvironment(): Record<string, string | undefined>;
}

/** Types of `scripts/test-services.mjs`, for the same reason. */
declare module '*/scripts/test-services.mjs' {
  /** False in `npm run test:unit`: tests that need a service skip themselves. */
  export const servicesWanted: boolean;
  /** Paths of the programs that were found; undefined for those that are missing or not wanted. */
  export function findServices(): {
    readonly initdb: string | undefined;
    readonly postgres: string | undefined;
    readonly redis: string | undefined;
    readonly prometheus: string | undefined;
    readonly promtool: string | undefined;
    readonly alertmanager: string | undefined;
    readonly amtool: string | undefined;
    readonly nginx: string | undefined;
    readonly haproxy: string | undefined;
    readonly chromium: string | undefined;
  };
}

/** Types of `scripts/proto.mjs`. */
declare module '*/scripts/proto.mjs' {
  /** SHA-256 of all proto files. */
  export function protoHash(): string;
}

/** Types of `scripts/leak-scan.mjs`. */
declare module '*/scripts/leak-scan.mjs' {
  /** @param planted values by name. @returns the number of files, and each first place of a value in a file */
  export function scanFolder(
    folder: string,
    planted: Readonly<Record<string, string>>,
  ): {
    readonly files: number;
    readonly leaks: readonly {
      readonly file: string;
      readonly offset: number;
      /** `line:column`, from 1. */
      readonly place: string;
      readonly name: string;
      /** How the value is written there. */
      readonly form: string;
      /** The text before it. */
      readonly around: string;
    }[];
  };
}

/** Types of `scripts/console.mjs`. */
declare module '*/scripts/console.mjs' {
  /** Builds the console if its sources have changed. @param bun path of the runtime. @returns whether it is current */
  export function buildConsole(bun: string): boolean;
}

/** Types of `scripts/guide.mjs`. */
declare module '*/scripts/guide.mjs' {
  /** Builds the guide if its sources have changed. @returns whether it is current */
  export function buildGuide(): boolean;
}
