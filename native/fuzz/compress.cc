// Any bytes as pseudo-gradient (f32 or bfloat16) and error state: both instruction sets find the same element that is not finite, or give the same bytes,
// and what they write is valid.
#include "input.h"

using namespace outerloop;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const BothTables both(kFuzzKeeps[input.Choice(5)]);
  const float betas[] = {0.95f, 1.0f, 0.0f, 0.5f};
  const float beta = betas[input.Choice(4)];
  const size_t lengths[] = {1, 15, 16, 63, 64, 255, 256, 300, 4032, 4095, 4096, 4097, 8192, 9000};
  const size_t elements = lengths[input.Choice(sizeof lengths / sizeof *lengths)];
  const size_t chunks = (elements + 4095) / 4096;
  const bool is_narrow = input.Choice(2) == 1;
  const std::vector<uint16_t> narrow = input.Fill<uint16_t>(is_narrow ? elements : 0);
  const std::vector<float> delta = input.Fill<float>(elements);
  // The same bytes, turned around.
  const std::vector<float> error(delta.rbegin(), delta.rend());

  ptrdiff_t found[2];
  std::vector<float> next[2];
  std::vector<uint8_t> records[2];
  for (int i = 0; i < 2; i++) {
    const KernelTable& table = *both.tables[i];
    next[i].resize(elements);
    records[i].resize(chunks * table.record_bytes);
    found[i] = is_narrow ? table.compress_bfloat16(narrow.data(), error.data(), next[i].data(), beta, elements,
                                                   records[i].data())
                         : table.compress(delta.data(), error.data(), next[i].data(), beta, elements, records[i].data());
    if (found[i] < 0)
      Require(table.find_invalid(records[i].data(), elements, 1) < 0, "a record that was written is not valid");
  }
  Require(found[0] == found[1], "the instruction sets find different elements that are not finite");
  if (found[0] >= 0) return 0;
  Require(SameBytes(records[0], records[1]), "records differ");
  Require(SameBytes(next[0], next[1]), "error states differ");
  return 0;
}
