// A digest of everything that the portable kernels write for some pseudo-random input: the same on every processor, or something is wrong.
#include <cstdio>
#include <cstring>
#include <vector>

#include "../../native/kernels.h"

namespace {

uint32_t state = 1;
uint32_t Next() {
  state = (state ^ state >> 15) * 0x2c1b3c6du + 0x9e3779b9u;
  return state ^ state >> 13;
}

uint64_t digest = 0xcbf29ce484222325u;  // FNV-1a
void Add(const void* data, size_t length) {
  for (size_t i = 0; i < length; i++) digest = (digest ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3u;
}
template <class Number>
void Add(const std::vector<Number>& vector) {
  Add(vector.data(), vector.size() * sizeof(Number));
}

// Bell-shaped, tied, or any finite bits.
float Value(unsigned kind) {
  if (kind == 0) return (static_cast<float>(Next()) + static_cast<float>(Next()) - 4294967296.0f) * 1e-12f;
  if (kind == 1) return static_cast<float>(Next() % 7) * 0.25f - 0.75f;
  uint32_t bits = Next();
  if ((bits & 0x7f800000u) == 0x7f800000u) bits &= 0xff7fffffu;
  float value;
  memcpy(&value, &bits, 4);
  return value * 0.25f;
}

}  // namespace

int main() {
  for (size_t k : {16, 32, 64, 128, 256}) {
    const outerloop::KernelTable& table = *outerloop::portable::TableFor(k);
    for (unsigned round = 0; round < 60; round++) {
      const size_t elements = 1 + Next() % 9000, chunks = (elements + 4095) / 4096;
      std::vector<float> delta(elements), error(elements), next(elements), dense(elements), theta(elements, 1.0f), after(elements);
      std::vector<uint16_t> halves(elements), half_after(elements);
      for (size_t i = 0; i < elements; i++) {
        delta[i] = Value(round % 3);
        error[i] = Value((round + 1) % 3);
        halves[i] = static_cast<uint16_t>(Next() & 0xbfffu);
      }
      std::vector<uint8_t> records(chunks * table.record_bytes);
      std::vector<double> norms(chunks);
      const float coefficient = 0.7f;
      const auto read = [&] {
        ptrdiff_t found = table.find_invalid(records.data(), elements, 1);
        Add(&found, sizeof found);
        table.record_norms(records.data(), norms.data(), chunks);
        table.decode(records.data(), dense.data(), elements);
        found = table.aggregate(records.data(), &coefficient, 1, 1.3f, theta.data(), after.data(), elements);
        Add(&found, sizeof found);
        found = table.aggregate_bfloat16(records.data(), &coefficient, 1, 1.3f, halves.data(), half_after.data(), elements);
        Add(&found, sizeof found);
        const uint32_t crc = table.crc32c(records.data(), records.size(), round);
        Add(&crc, sizeof crc);
        Add(records);
        Add(next);
        Add(norms);
        Add(dense);
        Add(after);
        Add(half_after);
      };
      ptrdiff_t found = table.compress(delta.data(), error.data(), next.data(), 0.95f, elements, records.data());
      Add(&found, sizeof found);
      if (found < 0) read();
      found = table.compress_bfloat16(halves.data(), error.data(), next.data(), 0.95f, elements, records.data());
      Add(&found, sizeof found);
      if (found < 0) read();
    }
  }
  printf("%016llx\n", static_cast<unsigned long long>(digest));
}
