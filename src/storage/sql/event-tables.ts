/** A durable event as the control database stores it. */
export interface EventLogRow {
  /** From 1, in the order of commits, with gaps. */
  sequence: number;
  /** Unique; stays the same when the event is delivered again. */
  id: string;
  /** All events of a subject are in one partition. */
  partition: number;
  type: string;
  version: number;
  /** Empty for an event of the platform. */
  tenant: string;
  subject: string;
  actor: string;
  /** Empty where no request caused the event. */
  request_id: string;
  /** 1 for an event that a person triggered to test consumers. */
  test: number;
  data: string;
  created_at: number;
}

/** How far a consumer has read one partition, and which gateway reads it now. */
export interface EventCursorRow {
  consumer: string;
  partition: number;
  /** Of the last event that the consumer has received. */
  sequence: number;
  /** Empty while no gateway reads it. */
  owner: string;
  lease_until: number;
  /** Grows with each lease, so that a gateway that lost its lease cannot move the cursor. */
  fence: number;
  /** When a gateway last had this consumer. */
  seen_at: number;
}

/** The tables of durable events in the control database. */
export interface EventTables {
  event_log: EventLogRow;
  /** One row: the sequence of the last event. */
  event_head: { id: number; sequence: number };
  /** Keys of events that must not be repeated, longer than the log keeps them. */
  event_keys: { key: string; expires_at: number };
  event_cursors: EventCursorRow;
  /** Events that a consumer failed at too often. */
  event_dead_letters: { consumer: string; id: string; event: string; error: string; created_at: number };
}
