/**
 * Bytes that come piece by piece, and only when somebody asks: how the adapters read what is larger than memory.
 *
 * @module
 */

/** Pieces in order. It may hold a file or a connection: read it to its end or close it. */
export interface ByteSource {
  /** The next piece; null: that was all. */
  next(): Promise<Uint8Array | null>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A piece of what an adapter cuts itself. */
const PIECE_BYTES = 256 * 1024;

/** A source as a web stream, which reads nothing ahead; cancelling it closes the source. */
export function toStream(source: ByteSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const piece = await source.next();
          if (piece === null) controller.close();
          // No adapter reads into shared memory, which is all that the type leaves open.
          else controller.enqueue(piece as Uint8Array<ArrayBuffer>);
        } catch (error) {
          await source.close();
          throw error;
        }
      },
      cancel: () => source.close(),
    },
    { highWaterMark: 0 },
  );
}

/** Bytes [start, end) of something that is read by place. */
export function piecesOf(
  start: number,
  end: number,
  read: (from: number, to: number) => Promise<Uint8Array>,
  close: () => Promise<void> = async () => {},
): ByteSource {
  let at = start;
  return {
    async next() {
      if (at >= end) {
        await close();
        return null;
      }
      const from = at;
      at = Math.min(from + PIECE_BYTES, end);
      return read(from, at);
    },
    async close() {
      at = end;
      await close();
    },
  };
}
