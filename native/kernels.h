// The kernels of one k on one instruction set, as functions. Arguments are checked by addon.cc.
#pragma once
#include <cstddef>
#include <cstdint>

namespace outerloop {

struct KernelTable {
  size_t record_bytes;
  // Bfloat16 numbers as bits.
  ptrdiff_t (*compress)(const float* delta, const float* error, float* next, float beta, size_t elements,
                        uint8_t* records);
  ptrdiff_t (*compress_bfloat16)(const uint16_t* delta, const float* error, float* next, float beta, size_t elements,
                                 uint8_t* records);
  ptrdiff_t (*find_invalid)(const uint8_t* records, size_t elements, size_t peers);
  void (*record_norms)(const uint8_t* records, double* norms, size_t chunks);
  void (*decode)(const uint8_t* records, float* out, size_t elements);
  void (*add_scaled)(const uint8_t* records, float factor, float* out, size_t elements);
  ptrdiff_t (*aggregate)(const uint8_t* records, const float* coefficients, size_t peers, float alpha,
                         const float* theta, float* next, size_t elements);
  ptrdiff_t (*aggregate_bfloat16)(const uint8_t* records, const float* coefficients, size_t peers, float alpha,
                                  const uint16_t* theta, uint16_t* next, size_t elements);
  uint32_t (*crc32c)(const uint8_t* bytes, size_t length, uint32_t before);
};

// The kernels of a k; null for one that no run may use.
using TableOf = const KernelTable* (*)(size_t k);

namespace portable {
const KernelTable* TableFor(size_t k);
}
#ifdef OUTERLOOP_HAS_AVX2
namespace avx2 {
const KernelTable* TableFor(size_t k);
}
#endif

}  // namespace outerloop
