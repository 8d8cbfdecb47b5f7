// CRC-32C: the twin of crc32c.ts, eight bytes at a time.
#pragma once
#include "lanes.h"

namespace outerloop::OUTERLOOP_ISA {

// `before`: the CRC of the bytes that stand before these, 0 for none.
inline uint32_t Crc32c(const uint8_t* bytes, size_t length, uint32_t before) {
#ifdef __SSE4_2__
  uint64_t crc = ~before;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, bytes + i, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  uint32_t last = static_cast<uint32_t>(crc);
  for (; i < length; i++) last = _mm_crc32_u8(last, bytes[i]);
  return ~last;
#else
  // table[n][b]: what byte b does to the CRC from n bytes further on.
  static const struct Tables {
    uint32_t table[8][256];
    Tables() {
      for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        table[0][byte] = crc;
      }
      for (int n = 1; n < 8; n++)
        for (uint32_t byte = 0; byte < 256; byte++)
          table[n][byte] = table[n - 1][byte] >> 8 ^ table[0][table[n - 1][byte] & 0xff];
    }
  } tables;
  const auto& t = tables.table;
  uint32_t crc = ~before;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, bytes + i, 8);
    word ^= crc;
    crc = 0;
    for (int n = 0; n < 8; n++) crc ^= t[7 - n][word >> 8 * n & 0xff];
  }
  for (; i < length; i++) crc = t[0][(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
  return ~crc;
#endif
}

}  // namespace outerloop::OUTERLOOP_ISA
