// Error feedback, exact top-k and the two-level quantiser: the twin of compress.ts, organised for speed.
// Arithmetic profile 1: every f32 operation rounds by itself, so this must be compiled with -ffp-contract=off.
#pragma once
#include "record.h"
#include "lanes.h"
#include "write-behind.h"

namespace outerloop::OUTERLOOP_ISA {

// Compresses chunk after chunk; the last threshold is the first guess for the next one.
template <int kKeep>
class Compressor {
 public:
  // next: the residual after; `error` stays as it is, and neither array overlaps another. Returns the lowest element whose sum
  // f32(f32(e * beta) + delta) is not finite, or -1; where there is one, `next` and `records` hold nothing of use.
  template <class Delta>
  ptrdiff_t Compress(const Delta* delta, const float* error, float* next, float beta, size_t elements,
                     uint8_t* records) {
    for (size_t first = 0; first < elements; first += kChunk, records += Record<kKeep>::kBytes) {
      const size_t count = elements - first < kChunk ? elements - first : kChunk;
      const bool whole = count == kChunk;
      const int at = whole ? CompressChunk(delta + first, error + first, beta, records)
                           : CompressTail(delta + first, error + first, count, beta, records);
      if (at >= 0) return static_cast<ptrdiff_t>(first) + at;
      last_residual_.Finish();
      last_residual_.Begin(next + first, x_, count);
      x_ = x_ == buffers_[0] ? buffers_[1] : buffers_[0];
    }
    last_residual_.Finish();
    WriteBehind::Fence();
    return -1;
  }

 private:
  static constexpr int kBlock = 64;    // elements of eight groups: row after row, lane by lane
  static constexpr int kGroups = 512;  // of 8 elements: 64 blocks x 8 lanes
  static constexpr int kSlack = 8;     // candidates too many that are not worth another pass

  // A tail is compressed as if padded with +0; the padding's residual is dropped.
  template <class Delta>
  int CompressTail(const Delta* delta, const float* error, size_t count, float beta, uint8_t* record) {
    Delta padded_delta[kChunk] = {};
    float padded_error[kChunk] = {};
    memcpy(padded_delta, delta, count * sizeof *delta);
    memcpy(padded_error, error, count * sizeof *error);
    return CompressChunk(padded_delta, padded_error, beta, record);
  }

  // Leaves the residual in x_. Returns the lowest element that is not finite, or -1.
  template <class Delta>
  int CompressChunk(const Delta* delta, const float* error, float beta, uint8_t* record) {
    AddDelta(delta, error, beta);
    // Of the next chunk, or bytes behind the arrays that nobody reads.
    delta_ahead_ = reinterpret_cast<const char*>(delta + kChunk);
    error_ahead_ = reinterpret_cast<const char*>(error + kChunk);
    to_read_ = kChunk / kBlock;
    if (largest_ >= static_cast<int32_t>(kInfinityKey)) {
      int i = 0;
      while (IsFinite(x_[i])) i++;
      return i;
    }
    uint16_t index[kKeep];
    uint8_t code[kKeep];
    float kept[kKeep];
    Select(index);
    for (int j = 0; j < kKeep; j++) kept[j] = x_[index[j]];
    float threshold, low, high;
    Quantise(kept, &threshold, &low, &high);
    const uint16_t low_level = ToLevel(low), high_level = ToLevel(high);
    const float level[4] = {FromLevel(low_level), FromLevel(high_level), -FromLevel(low_level),
                            -FromLevel(high_level)};
    for (int j = 0; j < kKeep; j++) {
      const int is_high = BitsFloat(static_cast<uint32_t>(Key(kept[j]))) >= threshold;
      code[j] = static_cast<uint8_t>(FloatBits(kept[j]) >> 31 << 1 | static_cast<uint32_t>(is_high));
    }
    for (int j = 0; j < kKeep; j++) x_[index[j]] = kept[j] - level[code[j]];
    Record<kKeep>::Pack(index, code, low_level, high_level, record);
    return -1;
  }

  // x <- e * beta + delta, and the largest key of each group in the same pass.
  template <class Delta>
  void AddDelta(const Delta* delta, const float* error, float beta) {
    Ints smallest = Ints{} + INT32_MAX, largest = Ints{};
    for (int block = 0; block < kChunk; block += kBlock) {
      Ints in_group = Ints{};
      for (int i = block; i < block + kBlock; i += kLanes) {
        const Floats x = Load(error + i) * beta + Load(delta + i);
        Store(x_ + i, x);
        in_group = Max(in_group, Keys(x));
      }
      Store(group_max_ + block / kLanes, in_group);
      smallest = Min(smallest, in_group);
      largest = Max(largest, in_group);
    }
    smallest_ = Smallest(smallest);
    largest_ = Largest(largest);
  }

  // The kKeep largest keys, ties to the lower index, in ascending index order.
  void Select(uint16_t* index) {
    // At least kKeep groups reach this key, so at least kKeep elements do.
    const int32_t bound = Bisect(group_max_, kGroups, smallest_, largest_, kSlack, guess_);
    guess_ = bound;
    const int n = Collect(bound);
    // Padding that no threshold counts.
    for (int i = n; i < n + kLanes; i++) candidate_key_[i] = -1;
    const int32_t threshold = Bisect(candidate_key_, n, bound, largest_, 0, bound);
    int ties = kKeep - CountAtLeast(candidate_key_, n, threshold + 1);
    for (int i = 0, filled = 0; filled < kKeep; i++) {
      const int32_t key = candidate_key_[i];
      const bool is_kept = key > threshold || (key == threshold && ties-- > 0);
      index[filled] = candidate_index_[i];
      filled += is_kept;
    }
  }

  // The largest key that at least kKeep keys reach, or a smaller one that at most kKeep + slack reach.
  // At least kKeep keys must reach `low`; none is above `largest`. `first` is tried first and changes only time.
  int32_t Bisect(const int32_t* keys, int n, int32_t low, int32_t largest, int slack, int32_t first) {
    uint32_t reached = static_cast<uint32_t>(low), missed = static_cast<uint32_t>(largest) + 1;
    uint32_t middle = static_cast<uint32_t>(first);
    while (missed - reached > 1) {
      if (middle <= reached || middle >= missed) middle = reached + (missed - reached) / 2;
      MoveBlock();
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

  // Memory works while the processor searches: one block of the next chunk on its way to the second-level cache, one of the last
  // residual on its way out. In one piece each, before and after, they would take as long as the search itself.
  void MoveBlock() {
    if (to_read_ > 0) {
      to_read_--;
      Prefetch(&delta_ahead_);
      Prefetch(&error_ahead_);
    }
    last_residual_.Move(kBlock);
  }

  // Of bfloat16 it is two blocks: then the chunk after the next one comes along.
  static void Prefetch(const char** at) {
    for (const char* end = *at + kBlock * sizeof(float); *at < end; *at += 64) __builtin_prefetch(*at, 0, 2);
  }

  // Of the first n keys; behind them there are seven that are negative, or whole lanes.
  static int CountAtLeast(const int32_t* keys, int n, int32_t key) {
    Ints count[2] = {};
    int i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
      count[0] -= Load(keys + i) >= key;
      count[1] -= Load(keys + i + kLanes) >= key;
    }
    for (; i < n; i += kLanes) count[0] -= Load(keys + i) >= key;
    return Sum(count[0] + count[1]);
  }

  // Candidates: keys from `bound` on, by ascending index. Blocks without one are not read again.
  int Collect(int32_t bound) {
    int n = 0;
    for (int block = 0; block < kChunk; block += kBlock) {
      MoveBlock();
      if (Bits(Load(group_max_ + block / kLanes) >= bound) == 0) continue;
      uint64_t mask = 0;
      for (int row = 0; row < kBlock; row += kLanes)
        mask |= static_cast<uint64_t>(Bits(Keys(Load(x_ + block + row)) >= bound)) << row;
      for (; mask != 0; mask &= mask - 1) candidate_index_[n++] = static_cast<uint16_t>(block + __builtin_ctzll(mask));
    }
    for (int i = 0; i < n; i++) candidate_key_[i] = Key(x_[candidate_index_[i]]);
    return n;
  }

  // Two Lloyd steps from the mean.
  static void Quantise(const float* kept, float* threshold, float* low, float* high) {
    Floats magnitude[kKeep / kLanes], sum = {};
    for (int j = 0; j < kKeep / kLanes; j++) {
      magnitude[j] = As<Floats>(Keys(Load(kept + j * kLanes)));
      sum += magnitude[j];
    }
    float t = TreeSum(sum) * (1.0f / kKeep);
    for (int pass = 0;; pass++) {
      Floats sum_high = {}, sum_low = {};
      Ints count = {};
      for (const Floats& a : magnitude) {
        const Ints is_high = a >= t;
        sum_high += Masked(is_high, a);
        sum_low += Masked(~is_high, a);
        count -= is_high;
      }
      const int num_high = Sum(count);
      *high = num_high > 0 ? TreeSum(sum_high) / static_cast<float>(num_high) : t;
      *low = num_high < kKeep ? TreeSum(sum_low) / static_cast<float>(kKeep - num_high) : t;
      if (pass == 2) break;
      t = (*low + *high) * 0.5f;
    }
    *threshold = t;
  }

  alignas(64) float buffers_[2][kChunk];
  float* x_ = buffers_[0];  // of this chunk; the residual of the last one is in the other
  alignas(64) int32_t group_max_[kGroups];
  alignas(64) int32_t candidate_key_[kChunk + kLanes];
  uint16_t candidate_index_[kChunk];
  int32_t smallest_, largest_;
  int32_t guess_ = 0;
  const char *delta_ahead_, *error_ahead_;
  int to_read_ = 0;  // blocks
  WriteBehind last_residual_;
};

}  // namespace outerloop::OUTERLOOP_ISA
