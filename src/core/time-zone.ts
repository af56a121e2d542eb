/** Local times of IANA time zones. Formatters are kept, because making one takes far longer than using it. */
export class TimeZones {
  readonly #formats = new Map<string, Intl.DateTimeFormat>();

  /**
   * @param time Unix milliseconds
   * @param timeZone IANA name, such as `Europe/Zurich`
   * @returns the local time in whole seconds, read as if it were UTC, in milliseconds
   * @throws RangeError when the time zone does not exist
   */
  localTime(time: number, timeZone: string): number {
    let format = this.#formats.get(timeZone);
    if (!format) {
      format = new Intl.DateTimeFormat('en-CA-u-ca-gregory-nu-latn', {
        timeZone,
        hourCycle: 'h23',
        ...{ year: 'numeric', month: '2-digit', day: '2-digit' },
        ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
      });
      this.#formats.set(timeZone, format);
    }
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
    for (const { type, value } of format.formatToParts(time)) parts[type] = value;
    const { year, month, day, hour, minute, second } = parts;
    return Date.UTC(
      Number(year),
      Number(month) - 1,
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
    );
  }
}
