import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

/** Remembers what was sent on the streams of one session, so that a client can come back and get what it missed. */
export function createEventLog(): EventStore {
  const events: { streamId: string; message: JSONRPCMessage }[] = [];
  const indexOf = (eventId: string) => Number.parseInt(eventId, 10);

  return {
    async storeEvent(streamId, message) {
      events.push({ streamId, message });
      return String(events.length - 1);
    },
    async getStreamIdForEventId(eventId) {
      return events[indexOf(eventId)]?.streamId;
    },
    async replayEventsAfter(lastEventId, { send }) {
      const last = events[indexOf(lastEventId)];
      if (!last) throw new Error('no such event');
      for (const [index, event] of events.entries()) {
        // The priming event of a stream is an empty message: it marks a place and says nothing.
        const isEmpty = Object.keys(event.message).length === 0;
        if (index <= indexOf(lastEventId) || event.streamId !== last.streamId || isEmpty) continue;
        await send(String(index), event.message);
      }
      return last.streamId;
    },
  };
}
