import type { AlertReceiverType } from '../../core/alert.ts';
import type { MessageContent } from '../message.ts';
import type { Receiver } from '../receiver.ts';
import { pagerDutyEvent } from './pagerduty.ts';
import { slackMessage } from './slack.ts';
import { teamsMessage } from './teams.ts';
import { webhookBody } from './webhook.ts';

/** @returns the JSON body of a message; `at` is the time of the attempt, in Unix milliseconds */
export type BodyOf = (content: MessageContent, receiver: Receiver, at: number) => unknown;

/** The formats of receivers that get HTTP requests. */
export const BODIES: Readonly<Record<Exclude<AlertReceiverType, 'email'>, BodyOf>> = {
  webhook: webhookBody,
  slack: slackMessage,
  pagerduty: pagerDutyEvent,
  teams: teamsMessage,
};
