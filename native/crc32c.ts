/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78). It finds accidents, not attacks.
 *
 * @module
 */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/**
 * CRC-32C of some bytes, as an unsigned number; of ASCII "123456789" it is 0xe3069283.
 *
 * @param before - the CRC of the bytes that stand before these; 0 for none
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = before ^ 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
