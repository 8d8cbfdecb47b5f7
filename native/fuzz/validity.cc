// Any bytes as one record of a chunk or a tail: both instruction sets judge it alike, and give it the same norm and checksum. Nothing
// dense is made of it (records.cc does that), so that many are tried in a second.
#include <memory>

#include "input.h"

using namespace outerloop;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const BothTables both(kFuzzKeeps[input.Choice(5)]);
  const size_t elements = 4096 - input.Choice(2) * input.Choice(4096);
  const size_t length = both.tables[0]->record_bytes;
  // Exactly so many bytes: whoever reads past them is caught.
  const std::unique_ptr<uint8_t[]> record(new uint8_t[length]);
  input.Copy(record.get(), length);

  struct Result {
    ptrdiff_t invalid;
    double norm;
    uint32_t crc;
  } results[2];
  for (int i = 0; i < 2; i++) {
    const KernelTable& table = *both.tables[i];
    results[i].invalid = table.find_invalid(record.get(), elements, 1);
    table.record_norms(record.get(), &results[i].norm, 1);
    results[i].crc = table.crc32c(record.get(), length, static_cast<uint32_t>(elements));
  }
  Require(results[0].invalid == results[1].invalid, "the instruction sets judge a record differently");
  Require(results[0].crc == results[1].crc, "checksums differ");
  Require(results[0].invalid == 0 || results[0].norm == results[1].norm, "norms differ");
  return 0;
}
