// Error feedback, exact top-k and the two-level quantiser: the twin of compress.ts, organised for speed.
// Arithmetic profile 1: every f32 operation rounds by itself, so this must be compiled with -ffp-contract=off.
#pragma once
#include "record.h"

namespace outerloop {

// Lowest element where f32(f32(e * beta) + delta) is not finite, or -1.
inline ptrdiff_t FindNonFinite(const float* delta, const float* error, float beta, size_t elements) {
  constexpr size_t kBlock = 1024;
  for (size_t first = 0; first < elements; first += kBlock) {
    const size_t end = first + kBlock < elements ? first + kBlock : elements;
    int32_t largest = 0;
    for (size_t i = first; i < end; i++) {
      const int32_t key = Key(error[i] * beta + delta[i]);
      largest = key > largest ? key : largest;
    }
    if (largest < static_cast<int32_t>(kInfinityKey)) continue;
    for (size_t i = first; i < end; i++) {
      if (!IsFinite(error[i] * beta + delta[i])) return static_cast<ptrdiff_t>(i);
    }
  }
  return -1;
}

// Compresses chunk after chunk; the last threshold is the first guess for the next one.
template <int kKeep>
class Compressor {
 public:
  // error: e before, the residual after. Arrays must not overlap.
  void Compress(const float* delta, float* error, float beta, size_t elements, uint8_t* records) {
    for (; elements >= kChunk; elements -= kChunk) {
      CompressChunk(delta, error, beta, records);
      delta += kChunk;
      error += kChunk;
      records += Record<kKeep>::kBytes;
    }
    if (elements == 0) return;
    // A tail is compressed as if padded with +0; the padding's residual is dropped.
    float padded_delta[kChunk] = {0}, padded_error[kChunk] = {0};
    memcpy(padded_delta, delta, 4 * elements);
    memcpy(padded_error, error, 4 * elements);
    CompressChunk(padded_delta, padded_error, beta, records);
    memcpy(error, padded_error, 4 * elements);
  }

 private:
  static constexpr int kGroups = 512;  // of 8 elements: 64 blocks x 8 lanes
  static constexpr int kSlack = 8;     // candidates too many that are not worth another pass

  void CompressChunk(const float* delta, float* error, float beta, uint8_t* record) {
    uint16_t index[kKeep];
    uint8_t code[kKeep];
    float kept[kKeep], magnitude[kKeep];
    AddDelta(delta, error, beta);
    Select(error, index);
    for (int j = 0; j < kKeep; j++) {
      kept[j] = error[index[j]];
      magnitude[j] = BitsFloat(static_cast<uint32_t>(Key(kept[j])));
    }
    float threshold, low, high;
    Quantise(magnitude, &threshold, &low, &high);
    const uint16_t low_level = ToLevel(low), high_level = ToLevel(high);
    const float level[2] = {FromLevel(low_level), FromLevel(high_level)};
    for (int j = 0; j < kKeep; j++) {
      const int is_high = magnitude[j] >= threshold;
      const int sign = static_cast<int>(FloatBits(kept[j]) >> 31);
      code[j] = static_cast<uint8_t>(sign << 1 | is_high);
      error[index[j]] = kept[j] - (sign ? -level[is_high] : level[is_high]);
    }
    Record<kKeep>::Pack(index, code, low_level, high_level, record);
  }

  // e <- e * beta + delta, and the largest key of each group in the same pass.
  void AddDelta(const float* __restrict delta, float* __restrict error, float beta) {
    for (int block = 0; block < kChunk / 64; block++) {
      int32_t largest[8] = {0};
      for (int row = 0; row < 8; row++) {
        for (int lane = 0; lane < 8; lane++) {
          const int i = block * 64 + row * 8 + lane;
          const float x = error[i] * beta + delta[i];
          error[i] = x;
          largest[lane] = Key(x) > largest[lane] ? Key(x) : largest[lane];
        }
      }
      memcpy(group_max_ + block * 8, largest, sizeof largest);
    }
  }

  // The kKeep largest keys, ties to the lower index, in ascending index order.
  void Select(const float* error, uint16_t* index) {
    int32_t smallest = INT32_MAX, largest = 0;
    for (int32_t key : group_max_) {
      smallest = key < smallest ? key : smallest;
      largest = key > largest ? key : largest;
    }
    // At least kKeep groups reach this key, so at least kKeep elements do.
    const int32_t bound = Bisect(group_max_, kGroups, smallest, largest, kSlack, guess_);
    guess_ = bound;
    const int n = Collect(error, bound);
    const int32_t threshold = Bisect(candidate_key_, n, bound, largest, 0, bound);
    int ties = kKeep;
    for (int i = 0; i < n; i++) ties -= candidate_key_[i] > threshold;
    for (int i = 0, filled = 0; filled < kKeep; i++) {
      const int32_t key = candidate_key_[i];
      if (key > threshold || (key == threshold && ties-- > 0)) index[filled++] = candidate_index_[i];
    }
  }

  // The largest key that at least kKeep keys reach, or a smaller one that at most kKeep + slack reach.
  // At least kKeep keys must reach `low`; none is above `largest`. `first` is tried first and changes only time.
  static int32_t Bisect(const int32_t* keys, int n, int32_t low, int32_t largest, int slack, int32_t first) {
    uint32_t reached = static_cast<uint32_t>(low), missed = static_cast<uint32_t>(largest) + 1;
    uint32_t middle = static_cast<uint32_t>(first);
    while (missed - reached > 1) {
      if (middle <= reached || middle >= missed) middle = reached + (missed - reached) / 2;
      const int count = CountAtLeast(keys, n, static_cast<int32_t>(middle));
      if (count < kKeep) {
        missed = middle;
      } else {
        reached = middle;
        if (count <= kKeep + slack) break;
      }
      middle = reached;
    }
    return static_cast<int32_t>(reached);
  }

  static int CountAtLeast(const int32_t* keys, int n, int32_t key) {
    int count = 0;
    for (int i = 0; i < n; i++) count += keys[i] >= key;
    return count;
  }

  // Candidates: keys from `bound` on, by ascending index. Groups below it are not read again.
  int Collect(const float* error, int32_t bound) {
    int n = 0;
    for (int block = 0; block < kChunk / 64; block++) {
      uint64_t mask = 0;
      for (int lane = 0; lane < 8; lane++) {
        if (group_max_[block * 8 + lane] < bound) continue;
        for (int row = 0; row < 8; row++) {
          const bool is_candidate = Key(error[block * 64 + row * 8 + lane]) >= bound;
          mask |= static_cast<uint64_t>(is_candidate) << (row * 8 + lane);
        }
      }
      for (; mask != 0; mask &= mask - 1, n++) {
        const int i = block * 64 + __builtin_ctzll(mask);
        candidate_index_[n] = static_cast<uint16_t>(i);
        candidate_key_[n] = Key(error[i]);
      }
    }
    return n;
  }

  // Eight running sums, then ((0+4)+(2+6)) + ((1+5)+(3+7)).
  static float TreeSum(const float s[8]) {
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }

  // Two Lloyd steps from the mean.
  static void Quantise(const float* magnitude, float* threshold, float* low, float* high) {
    float sum[8] = {0};
    for (int j = 0; j < kKeep; j++) sum[j & 7] += magnitude[j];
    float t = TreeSum(sum) * (1.0f / kKeep);
    for (int pass = 0;; pass++) {
      float sum_high[8] = {0}, sum_low[8] = {0};
      int num_high = 0;
      for (int j = 0; j < kKeep; j++) {
        const bool is_high = magnitude[j] >= t;
        sum_high[j & 7] += is_high ? magnitude[j] : 0.0f;
        sum_low[j & 7] += is_high ? 0.0f : magnitude[j];
        num_high += is_high;
      }
      *high = num_high > 0 ? TreeSum(sum_high) / static_cast<float>(num_high) : t;
      *low = num_high < kKeep ? TreeSum(sum_low) / static_cast<float>(kKeep - num_high) : t;
      if (pass == 2) break;
      t = (*low + *high) * 0.5f;
    }
    *threshold = t;
  }

  int32_t group_max_[kGroups];
  int32_t candidate_key_[kChunk];
  uint16_t candidate_index_[kChunk];
  int32_t guess_ = 0;
};

}  // namespace outerloop
