// The EF84 record in C++: the twin of record.ts. Byte layout: docs/protocol.md. Little-endian hosts only.
#pragma once
#include "lanes.h"

namespace outerloop::OUTERLOOP_ISA {

constexpr int kChunk = 4096;  // elements per chunk
constexpr uint32_t kInfinityKey = 0x7f800000u;
constexpr uint16_t kLargestLevel = 0x7f7f;  // largest finite bfloat16

inline uint32_t FloatBits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

inline float BitsFloat(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// Magnitude as an integer: the order of the keys is the order of |x|. It fits a signed integer, which is what
// baseline vector units compare.
inline int32_t Key(float x) { return static_cast<int32_t>(FloatBits(x) & 0x7fffffffu); }

inline bool IsFinite(float x) { return (FloatBits(x) & kInfinityKey) != kInfinityKey; }

// Magnitude to bfloat16, nearest even, clamped to the largest finite value.
inline uint16_t ToLevel(float magnitude) {
  const uint32_t u = FloatBits(magnitude);
  const uint32_t level = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(level < kLargestLevel ? level : kLargestLevel);
}

inline float FromLevel(uint16_t level) { return BitsFloat(static_cast<uint32_t>(level) << 16); }

inline float Widen(float x) { return x; }
inline float Widen(Bfloat16 x) { return BitsFloat(static_cast<uint32_t>(x.bits) << 16); }

// A number to bfloat16, nearest even; what is too large becomes infinite. Not for NaN.
inline Bfloat16 Narrow(float x) {
  const uint32_t u = FloatBits(x);
  return {static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}

inline int ChunksOf(size_t elements) { return static_cast<int>((elements + kChunk - 1) / kChunk); }

constexpr int Log2(int n) { return n == 1 ? 0 : 1 + Log2(n / 2); }

#ifdef __AVX2__
// The places of the bits that are set in a byte, ascending, a byte each.
struct Places {
  uint64_t of_byte[256] = {};
  constexpr Places() {
    for (int byte = 0; byte < 256; byte++)
      for (int bit = 0, count = 0; bit < 8; bit++)
        if (byte >> bit & 1) of_byte[byte] |= static_cast<uint64_t>(bit) << 8 * count++;
  }
};
constexpr Places kPlaces;
#endif

// One record of kKeep entries. The functions that read take any bytes: they never leave the record or the chunk.
template <int kKeep>
struct Record {
  static constexpr int kLowBits = 12 - Log2(kKeep);
  static constexpr int kEntryBits = kLowBits + 2;
  static constexpr int kLowMask = (1 << kLowBits) - 1;
  static constexpr int kBitmapBytes = kKeep / 4;
  static constexpr int kLevelOffset = kBitmapBytes + kKeep * kEntryBits / 8;
  static constexpr int kBytes = kLevelOffset + 4;

  // `index` ascending; code = sign << 1 | high.
  static void Pack(const uint16_t* index, const uint8_t* code, uint16_t low, uint16_t high, uint8_t* record) {
    uint64_t bitmap[(kBitmapBytes + 7) / 8] = {0};
    for (int j = 0; j < kKeep; j++) {
      const int position = (index[j] >> kLowBits) + j;
      bitmap[position >> 6] |= uint64_t{1} << (position & 63);
    }
    memcpy(record, bitmap, kBitmapBytes);
    uint8_t* entries = record + kBitmapBytes;
    if constexpr (kEntryBits == 8) {
      for (int j = 0; j < kKeep; j++) entries[j] = static_cast<uint8_t>(code[j] << kLowBits | (index[j] & kLowMask));
    } else {
      // The levels stand behind the entries, so four bytes from an entry's first one are inside the record.
      memset(entries, 0, kBytes - kBitmapBytes);
      for (int j = 0; j < kKeep; j++) {
        uint8_t* at = entries + j * kEntryBits / 8;
        const uint32_t entry = static_cast<uint32_t>(code[j] << kLowBits | (index[j] & kLowMask));
        uint32_t word;
        memcpy(&word, at, 4);
        word |= entry << (j * kEntryBits & 7);
        memcpy(at, &word, 4);
      }
    }
    memcpy(record + kLevelOffset, &low, 2);
    memcpy(record + kLevelOffset + 2, &high, 2);
  }

  static int Entry(const uint8_t* record, int j) {
    uint32_t word;
    memcpy(&word, record + kBitmapBytes + j * kEntryBits / 8, 4);
    return static_cast<int>(word >> (j * kEntryBits & 7)) & ((1 << kEntryBits) - 1);
  }

  static uint16_t Low(const uint8_t* record) { return Level(record + kLevelOffset); }
  static uint16_t High(const uint8_t* record) { return Level(record + kLevelOffset + 2); }

  // Values of codes 0..3 under a factor: one rounding per level.
  static void LevelValues(const uint8_t* record, float factor, float value[4]) {
    value[0] = FromLevel(Low(record)) * factor;
    value[1] = FromLevel(High(record)) * factor;
    value[2] = -value[0];
    value[3] = -value[1];
  }

  // Calls visit(j, index, code) for the entries in order; index is 0..4095. A bitmap that could lead beyond the
  // chunk has no entries: valid records never have one, and memory must be safe with any bytes. The bitmap is
  // copied before it is judged, because the bytes may lie in memory that another thread writes.
  template <class Visit>
  static void ForEachEntry(const uint8_t* record, Visit visit) {
    Bitmap bitmap;
    if (!bitmap.Load(record)) return;
    int j = 0;
    for (int w = 0; w < Bitmap::kWords; w++) {
      for (uint32_t rest = bitmap.words[w]; rest != 0; rest &= rest - 1, j++) {
        const int position = 32 * w + __builtin_ctz(rest);
        const int entry = Entry(record, j);
        visit(j, (position - j) << kLowBits | (entry & kLowMask), entry >> kLowBits);
      }
    }
  }

  // The entries in order, apart: `index` 0..4095 and values under a factor. Returns their number: kKeep, or 0 for a bitmap that could
  // lead beyond the chunk.
  static int Expand(const uint8_t* record, float factor, uint32_t index[kKeep], float values[kKeep]) {
    float level[4];
    LevelValues(record, factor, level);
#ifdef __AVX2__
    if constexpr (kKeep == 64) return Expand64(record, level, index, values);
#endif
    int count = 0;
    ForEachEntry(record, [&](int j, int at, int code) {
      index[j] = static_cast<uint32_t>(at);
      values[j] = level[code];
      count = j + 1;
    });
    return count;
  }

  // The full check of record.ts. `elements` is the number of real elements of the chunk, 1..4096.
  static bool IsValid(const uint8_t* record, int elements) {
    Bitmap bitmap;
    if (!bitmap.Load(record)) return false;
    bool valid = Low(record) <= kLargestLevel && High(record) <= kLargestLevel;
#if defined(__AVX2__) && defined(__BMI2__)
    if constexpr (kKeep == 64)
      if (elements == kChunk) return valid && Ascends(record);
#endif
    int previous = -1;
    ForEachEntry(record, [&](int j, int index, int code) {
      valid &= index > previous;
      if (elements < kKeep) valid &= index == j && (j < elements || code < 2);
      previous = index;
    });
    return valid && (elements < kKeep || previous < elements);
  }

  // Both products are exact in f64; the addition rounds once.
  static double SquaredNorm(const uint8_t* record) {
    int num_high = 0;
    if constexpr (kEntryBits == 8) {
      for (int j = 0; j < kKeep; j += 8) {
        uint64_t eight;
        memcpy(&eight, record + kBitmapBytes + j, 8);
        num_high += __builtin_popcountll(eight & 0x0101010101010101 << kLowBits);
      }
    } else {
      for (int j = 0; j < kKeep; j++) num_high += Entry(record, j) >> kLowBits & 1;
    }
    const double low = FromLevel(Low(record)), high = FromLevel(High(record));
    return high * high * num_high + low * low * (kKeep - num_high);
  }

 private:
#if defined(__AVX2__) && defined(__BMI2__)
  // Indices ascend, for k = 64 and a bitmap that was looked at. Two neighbours can fail to ascend only if their high bits are equal,
  // which is where two bits of the bitmap are neighbours; then their low six bits must ascend.
  static bool Ascends(const uint8_t* record) {
    uint64_t lower, upper;
    memcpy(&lower, record, 8);
    memcpy(&upper, record + 8, 8);
    // Bit j: entry j has the high bits of entry j - 1.
    const int in_lower = __builtin_popcountll(lower);
    uint64_t same_bucket = _pext_u64(lower << 1, lower);
    if (in_lower < 64) same_bucket |= _pext_u64(upper << 1 | lower >> 63, upper) << in_lower;
    const uint8_t* entries = record + kBitmapBytes;
    const __m256i low_mask = _mm256_set1_epi8(kLowMask);
    uint64_t ascends = 0;
    for (int j = 0; j < 64; j += 32) {
      // The byte before the first entry belongs to the bitmap; entry 0 has no neighbour there.
      const __m256i own = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(entries + j)), low_mask);
      const __m256i before =
          _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(entries + j - 1)), low_mask);
      ascends |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(own, before)))) << j;
    }
    return (same_bucket & ~ascends & ~uint64_t{1}) == 0;
  }
#endif

#ifdef __AVX2__
  // Eight bits of the bitmap at a time become the places of those that are set, then eight entries at a time their indices and values.
  static int Expand64(const uint8_t* record, const float level[4], uint32_t* index, float* values) {
    Bitmap bitmap;
    if (!bitmap.Load(record)) return 0;
    uint8_t places[kKeep + 8];  // the last store reaches up to seven bytes further
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(bitmap.words);
    int count = 0;
    for (int i = 0; i < kBitmapBytes; i++) {
      const uint64_t eight = kPlaces.of_byte[bytes[i]] + 0x0808080808080808u * static_cast<uint64_t>(i);
      memcpy(places + count, &eight, 8);
      count += __builtin_popcount(bytes[i]);
    }
    const __m256 levels = _mm256_setr_ps(level[0], level[1], level[2], level[3], level[0], level[1], level[2], level[3]);
    __m256i j = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (int at = 0; at < kKeep; at += kLanes, j = _mm256_add_epi32(j, _mm256_set1_epi32(kLanes))) {
      const __m256i place = Widened(places + at), entry = Widened(record + kBitmapBytes + at);
      const __m256i bucket = _mm256_slli_epi32(_mm256_sub_epi32(place, j), kLowBits);
      const __m256i low = _mm256_and_si256(entry, _mm256_set1_epi32(kLowMask));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(index + at), _mm256_or_si256(bucket, low));
      _mm256_storeu_ps(values + at, _mm256_permutevar_ps(levels, _mm256_srli_epi32(entry, kLowBits)));
    }
    return kKeep;
  }

  static __m256i Widened(const uint8_t* eight) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(eight)));
  }
#endif

  struct Bitmap {
    static constexpr int kWords = kBitmapBytes / 4;
    uint32_t words[kWords];

    // True if exactly kKeep bits are set and the last one is clear: then every index is below 4096.
    bool Load(const uint8_t* record) {
      memcpy(words, record, kBitmapBytes);
      int count = 0;
      for (uint32_t word : words) count += __builtin_popcount(word);
      return count == kKeep && words[kWords - 1] >> 31 == 0;
    }
  };

  static uint16_t Level(const uint8_t* at) {
    uint16_t level;
    memcpy(&level, at, 2);
    return level;
  }
};

}  // namespace outerloop::OUTERLOOP_ISA
