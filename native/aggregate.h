// Reading records in bulk and the outer step: the twin of decode.ts and aggregate.ts.
#pragma once
#include "lanes.h"
#include "record.h"
#include "write-behind.h"

namespace outerloop::OUTERLOOP_ISA {

inline int ElementsOfChunk(size_t elements, int chunk) {
  const size_t left = elements - static_cast<size_t>(chunk) * kChunk;
  return left < kChunk ? static_cast<int>(left) : kChunk;
}

// Position of the first record that is not valid, or -1. Records chunk-major, `peers` per chunk.
template <int kKeep>
ptrdiff_t FindInvalid(const uint8_t* records, size_t elements, size_t peers) {
  if (peers == 0) return -1;
  ptrdiff_t position = 0;
  for (int chunk = 0; chunk < ChunksOf(elements); chunk++) {
    for (size_t peer = 0; peer < peers; peer++, position++) {
      const uint8_t* record = records + static_cast<size_t>(position) * Record<kKeep>::kBytes;
      if (!Record<kKeep>::IsValid(record, ElementsOfChunk(elements, chunk))) return position;
    }
  }
  return -1;
}

// Dense values; what no record keeps is +0.
template <int kKeep>
void Decode(const uint8_t* records, float* out, size_t elements) {
  memset(out, 0, 4 * elements);
  for (int chunk = 0; chunk < ChunksOf(elements); chunk++, records += Record<kKeep>::kBytes, out += kChunk) {
    const int count = ElementsOfChunk(elements, chunk);
    uint32_t index[kKeep];
    float value[kKeep];
    const int entries = Record<kKeep>::Expand(records, 1.0f, index, value);
    for (int j = 0; j < entries; j++)
      if (index[j] < static_cast<uint32_t>(count)) out[index[j]] = value[j];
  }
}

// out += value * factor at every kept entry.
template <int kKeep>
void AddScaled(const uint8_t* records, float factor, float* out, size_t elements) {
  for (int chunk = 0; chunk < ChunksOf(elements); chunk++, records += Record<kKeep>::kBytes, out += kChunk) {
    const int count = ElementsOfChunk(elements, chunk);
    uint32_t index[kKeep];
    float value[kKeep];
    const int entries = Record<kKeep>::Expand(records, factor, index, value);
    for (int j = 0; j < entries; j++)
      if (index[j] < static_cast<uint32_t>(count)) out[index[j]] += value[j];
  }
}

// sum <- theta - alpha * sum, f32; lowest element that is not finite, or -1.
template <class Theta>
int Step(float* sum, float alpha, const Theta* theta, int count) {
  Ints largest = {};
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats step = Load(sum + i) * alpha;
    const Floats result = Load(theta + i) - step;
    Store(sum + i, result);
    largest = Max(largest, Keys(result));
  }
  int32_t largest_key = Largest(largest);
  for (; i < count; i++) {
    const float step = alpha * sum[i];
    sum[i] = Widen(theta[i]) - step;
    largest_key = Key(sum[i]) > largest_key ? Key(sum[i]) : largest_key;
  }
  if (largest_key < static_cast<int32_t>(kInfinityKey)) return -1;
  i = 0;
  while (IsFinite(sum[i])) i++;
  return i;
}

inline int Apply(float* sum, float alpha, const float* theta, float* next, int count, WriteBehind& last) {
  const int at = Step(sum, alpha, theta, count);
  last.Finish();
  last.Begin(next, sum, static_cast<size_t>(count));
  return at;
}

// The result is narrowed, which may make it infinite.
inline int Apply(float* sum, float alpha, const Bfloat16* theta, Bfloat16* next, int count, WriteBehind&) {
  int at = Step(sum, alpha, theta, count);
  for (int i = 0; i < count; i++) {
    next[i] = Narrow(sum[i]);
    if ((at < 0 || i < at) && !IsFinite(Widen(next[i]))) at = i;
  }
  return at;
}

// next = theta - alpha * sum of the peers' updates; lowest element of `next` that is not finite, or -1. `next` may be `theta`.
// One chunk's sum stays in the first-level cache while all peers scatter into it.
template <int kKeep, class Theta>
ptrdiff_t Aggregate(const uint8_t* records, const float* coefficients, size_t peers, float alpha,
                    const Theta* theta, Theta* next, size_t elements) {
  ptrdiff_t non_finite = -1;
  alignas(64) float sums[2][kChunk];  // of this chunk, and of the last one on its way out
  WriteBehind last;
  const size_t share = (kChunk / (peers + 1) / 16 + 1) * 16;  // elements that are moved beside one peer
  for (int chunk = 0; chunk < ChunksOf(elements); chunk++) {
    float* sum = sums[chunk % 2];
    memset(sum, 0, sizeof sums[0]);
    // Theta comes, and the last result goes, while the peers are added; behind the end of theta nobody reads.
    const char* ahead = reinterpret_cast<const char*>(theta + static_cast<size_t>(chunk) * kChunk);
    for (size_t peer = 0; peer < peers; peer++, records += Record<kKeep>::kBytes) {
      for (const char* end = ahead + share * sizeof *theta; ahead < end; ahead += 64) __builtin_prefetch(ahead, 0, 2);
      last.Move(share);
      uint32_t index[kKeep];
      float value[kKeep];
      const int entries = Record<kKeep>::Expand(records, coefficients[peer], index, value);
      for (int j = 0; j < entries; j++) sum[index[j]] += value[j];
    }
    const size_t first = static_cast<size_t>(chunk) * kChunk;
    const int count = ElementsOfChunk(elements, chunk);
    const int at = Apply(sum, alpha, theta + first, next + first, count, last);
    if (non_finite < 0 && at >= 0) non_finite = static_cast<ptrdiff_t>(first) + at;
  }
  last.Finish();
  WriteBehind::Fence();
  return non_finite;
}

}  // namespace outerloop::OUTERLOOP_ISA
