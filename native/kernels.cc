// Compiled once for each instruction set: `build.mjs` says with which flags, and names the namespace by OUTERLOOP_ISA.
#include "kernels.h"

#include "aggregate.h"
#include "compress.h"
#include "crc32c.h"

namespace outerloop::OUTERLOOP_ISA {
namespace {

// JavaScript's name for bfloat16 is Uint16Array; the kernels' own type keeps it apart from whole numbers.
const Bfloat16* AsBfloat16(const uint16_t* bits) { return reinterpret_cast<const Bfloat16*>(bits); }
Bfloat16* AsBfloat16(uint16_t* bits) { return reinterpret_cast<Bfloat16*>(bits); }

template <int kKeep>
ptrdiff_t Compress(const float* delta, const float* error, float* next, float beta, size_t elements,
                   uint8_t* records) {
  return Compressor<kKeep>().Compress(delta, error, next, beta, elements, records);
}

template <int kKeep>
ptrdiff_t CompressBfloat16(const uint16_t* delta, const float* error, float* next, float beta, size_t elements,
                           uint8_t* records) {
  return Compressor<kKeep>().Compress(AsBfloat16(delta), error, next, beta, elements, records);
}

template <int kKeep>
ptrdiff_t AggregateBfloat16(const uint8_t* records, const float* coefficients, size_t peers, float alpha,
                            const uint16_t* theta, uint16_t* next, size_t elements) {
  return Aggregate<kKeep>(records, coefficients, peers, alpha, AsBfloat16(theta), AsBfloat16(next), elements);
}

template <int kKeep>
void RecordNorms(const uint8_t* records, double* norms, size_t chunks) {
  for (size_t chunk = 0; chunk < chunks; chunk++, records += Record<kKeep>::kBytes)
    norms[chunk] = Record<kKeep>::SquaredNorm(records);
}

template <int kKeep>
constexpr KernelTable kTable = {Record<kKeep>::kBytes,
                                Compress<kKeep>,
                                CompressBfloat16<kKeep>,
                                FindInvalid<kKeep>,
                                RecordNorms<kKeep>,
                                Decode<kKeep>,
                                AddScaled<kKeep>,
                                Aggregate<kKeep, float>,
                                AggregateBfloat16<kKeep>,
                                Crc32c};

}  // namespace

const KernelTable* TableFor(size_t k) {
  switch (k) {
    case 16: return &kTable<16>;
    case 32: return &kTable<32>;
    case 64: return &kTable<64>;
    case 128: return &kTable<128>;
    case 256: return &kTable<256>;
    default: return nullptr;
  }
}

}  // namespace outerloop::OUTERLOOP_ISA
