/** The wire formats that only this gateway's own endpoints speak. */
declare module '../core/chat/request.ts' {
  interface WireFormats {
    readonly 'weir-prompt': true;
    readonly 'weir-text2sql': true;
    readonly 'weir-continued': true;
  }
}

export {};
