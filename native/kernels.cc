// Compiled once for each instruction set: `build.mjs` says with which flags, and names the namespace by OUTERLOOP_ISA.
#include "kernels.h"

#include "aggregate.h"
#include "compress.h"

namespace outerloop::OUTERLOOP_ISA {
namespace {

template <int kKeep>
ptrdiff_t Compress(const float* delta, const float* error, float* next, float beta, size_t elements,
                   uint8_t* records) {
  return Compressor<kKeep>().Compress(delta, error, next, beta, elements, records);
}

template <int kKeep>
void RecordNorms(const uint8_t* records, double* norms, size_t chunks) {
  for (size_t chunk = 0; chunk < chunks; chunk++, records += Record<kKeep>::kBytes)
    norms[chunk] = Record<kKeep>::SquaredNorm(records);
}

template <int kKeep>
constexpr KernelTable kTable = {Record<kKeep>::kBytes, Compress<kKeep>,  FindInvalid<kKeep>, RecordNorms<kKeep>,
                                Decode<kKeep>,         AddScaled<kKeep>, Aggregate<kKeep>};

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
