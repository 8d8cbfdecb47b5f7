// Eight lanes at a time, in the compiler's own vector types: one register with AVX2, two with SSE2 or NEON. Each operation rounds
// by itself on every one of them, so the bytes are the same.
//
// Everything in this namespace is compiled once for each instruction set: kernels.cc says how.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#ifndef OUTERLOOP_ISA
#define OUTERLOOP_ISA portable
#endif

namespace outerloop::OUTERLOOP_ISA {

constexpr int kLanes = 8;

#ifdef __AVX2__
typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));

inline Ints Max(Ints a, Ints b) { return a > b ? a : b; }
inline Ints Min(Ints a, Ints b) { return a < b ? a : b; }
#else
typedef float FourFloats __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));

// Compilers split vectors that are wider than the machine's badly, so it is done by hand.
template <class Four, class Number>
struct Pair {
  Four low, high;
  Number operator[](int lane) const { return lane < 4 ? low[lane] : high[lane - 4]; }
  Pair& operator+=(Pair b) { return *this = *this + b; }
  Pair& operator-=(Pair b) { return *this = *this - b; }
  friend Pair operator+(Pair a, Pair b) { return {a.low + b.low, a.high + b.high}; }
  friend Pair operator-(Pair a, Pair b) { return {a.low - b.low, a.high - b.high}; }
  friend Pair operator+(Pair a, Number b) { return {a.low + b, a.high + b}; }
  friend Pair operator*(Pair a, Number b) { return {a.low * b, a.high * b}; }
  friend Pair<FourInts, int32_t> operator>=(Pair a, Number b) { return {a.low >= b, a.high >= b}; }
};
typedef Pair<FourFloats, float> Floats;
typedef Pair<FourInts, int32_t> Ints;

inline Ints operator&(Ints a, Ints b) { return {a.low & b.low, a.high & b.high}; }
inline Ints operator&(Ints a, int32_t b) { return {a.low & b, a.high & b}; }
inline Ints operator~(Ints a) { return {~a.low, ~a.high}; }
inline Ints Max(Ints a, Ints b) { return {a.low > b.low ? a.low : b.low, a.high > b.high ? a.high : b.high}; }
inline Ints Min(Ints a, Ints b) { return {a.low < b.low ? a.low : b.low, a.high < b.high ? a.high : b.high}; }
#endif

// The same bits as another type.
template <class To, class From>
inline To As(From from) {
  static_assert(sizeof(To) == sizeof from);
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

inline Floats Load(const float* from) {
  Floats lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

// The upper half of a float32, as it lies in memory.
struct Bfloat16 {
  uint16_t bits;
};

// Widened, which is exact.
inline Floats Load(const Bfloat16* from) {
#ifdef __AVX2__
  __m128i halves;
  memcpy(&halves, from, sizeof halves);
  return As<Floats>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
#else
  uint32_t words[kLanes];
  for (int i = 0; i < kLanes; i++) words[i] = static_cast<uint32_t>(from[i].bits) << 16;
  Floats lanes;
  memcpy(&lanes, words, sizeof lanes);
  return lanes;
#endif
}

inline Ints Load(const int32_t* from) {
  Ints lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

template <class Lanes, class Number>
inline void Store(Number* to, Lanes lanes) {
  memcpy(to, &lanes, sizeof lanes);
}

// Magnitudes as integers.
inline Ints Keys(Floats lanes) { return As<Ints>(lanes) & 0x7fffffff; }

// The lanes where `chosen` is -1; +0 elsewhere (0).
inline Floats Masked(Ints chosen, Floats lanes) {
  return As<Floats>(chosen & As<Ints>(lanes));
}

inline int32_t Largest(Ints lanes) {
  int32_t largest = lanes[0];
  for (int i = 1; i < kLanes; i++) largest = lanes[i] > largest ? lanes[i] : largest;
  return largest;
}

inline int32_t Smallest(Ints lanes) {
  int32_t smallest = lanes[0];
  for (int i = 1; i < kLanes; i++) smallest = lanes[i] < smallest ? lanes[i] : smallest;
  return smallest;
}

inline int32_t Sum(Ints lanes) {
  int32_t sum = 0;
  for (int i = 0; i < kLanes; i++) sum += lanes[i];
  return sum;
}

// ((0+4)+(2+6)) + ((1+5)+(3+7)), the order of the profile.
inline float TreeSum(Floats s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

// Bit i: lane i is not 0; each lane is 0 or -1.
inline uint32_t Bits(Ints lanes) {
#ifdef __AVX2__
  return static_cast<uint32_t>(_mm256_movemask_ps(As<__m256>(lanes)));
#elif defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps(As<__m128>(lanes.low)) | _mm_movemask_ps(As<__m128>(lanes.high)) << 4);
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; i++) bits |= static_cast<uint32_t>(lanes[i] & 1) << i;
  return bits;
#endif
}

}  // namespace outerloop::OUTERLOOP_ISA
