// Results on their way to memory while the processor computes the next ones.
#pragma once
#include "lanes.h"

namespace outerloop::OUTERLOOP_ISA {

// Copies past the caches: what is written once and read much later must not push out what is needed now, nor be read first. Only whole
// cache lines: one that is written partly past the caches and partly into them goes to memory twice.
class WriteBehind {
 public:
  // From here on `from` goes to `to`, as Move says; what stands before the first whole line goes at once.
  void Begin(float* to, const float* from, size_t elements) {
    const size_t before_line = -reinterpret_cast<uintptr_t>(to) % kLineBytes / sizeof(float);
    const size_t head = before_line < elements ? before_line : elements;
    memcpy(to, from, head * sizeof(float));
    to_ = to + head;
    from_ = from + head;
    left_ = elements - head;
  }

  // The next elements, a multiple of 16; where there are not so many any more, they wait for Finish.
  void Move(size_t elements) {
    if (elements <= left_) Copy(elements);
  }

  void Finish() {
    if (left_ > 0) Copy(left_);
  }

  // After the last one, before anybody else is told.
  static void Fence() {
#ifdef __AVX2__
    _mm_sfence();
#endif
  }

 private:
  static constexpr size_t kLineBytes = 64;
  static constexpr size_t kLine = kLineBytes / sizeof(float);

  void Copy(size_t elements) {
    size_t i = 0;
#ifdef __AVX2__
    for (; i + kLine <= elements; i += kLine) {
      _mm256_stream_ps(to_ + i, As<__m256>(Load(from_ + i)));
      _mm256_stream_ps(to_ + i + kLanes, As<__m256>(Load(from_ + i + kLanes)));
    }
#endif
    memcpy(to_ + i, from_ + i, (elements - i) * sizeof(float));
    to_ += elements;
    from_ += elements;
    left_ -= elements;
  }

  float* to_ = nullptr;
  const float* from_ = nullptr;
  size_t left_ = 0;
};

}  // namespace outerloop::OUTERLOOP_ISA
