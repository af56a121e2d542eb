import ipaddr from 'ipaddr.js';
import type { AddFinding } from '../kinds.ts';

const V4 = /(?<![\w.:-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/g;
/** Two colons, or seven groups: a time or a MAC address has less. */
const V6 = /(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4})(?![\w:])/gi;
/** Words before four numbers that are a version. */
const VERSION =
  /(?:\b(?:v|version|versión|versione|build|release|firmware|revision|section|chapter|rev\.?|ver\.?)|§)[\s:=]*$/i;
/** How far before the numbers such a word may be. */
const BEFORE = 24;

/** IPv4 and IPv6 addresses, except those that are the same on every machine. */
export function findAddresses(text: string, add: AddFinding): void {
  for (const { index, 0: found } of text.matchAll(V4)) {
    if (!ipaddr.IPv4.isValidFourPartDecimal(found)) continue;
    if (/\.0\d/.test(`.${found}`) || VERSION.test(text.slice(Math.max(0, index - BEFORE), index))) continue;
    if (isOfEveryMachine(ipaddr.IPv4.parse(found))) continue;
    add('ip', index, index + found.length);
  }
  if (!text.includes('::') && !/(?:[0-9a-f]{1,4}:){7}/i.test(text)) return;
  for (const { index, 0: found } of text.matchAll(V6)) {
    if (!ipaddr.IPv6.isValid(found) || !/[0-9a-f]/i.test(found)) continue;
    // `a::b` is a name in C++ and Rust: an address has a digit, and a group of three or more.
    if (!/\d/.test(found) || !/[0-9a-f]{3}/i.test(found)) continue;
    if (isOfEveryMachine(ipaddr.IPv6.parse(found))) continue;
    add('ip', index, index + found.length);
  }
}

function isOfEveryMachine(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  const range = address.range();
  return range === 'loopback' || range === 'unspecified' || range === 'broadcast' || isMask(address);
}

/** Such as 255.255.255.0. */
function isMask(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address instanceof ipaddr.IPv4 && (address.octets[0] ?? 0) === 255;
}
