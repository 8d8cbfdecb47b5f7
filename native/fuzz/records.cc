// Any bytes as records: both instruction sets judge them alike, nothing is read or written outside the arrays, and what is valid means
// the same to both.
#include "input.h"

using namespace outerloop;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const BothTables both(kFuzzKeeps[input.Choice(5)]);
  // Mostly a tail alone: what is judged is the record, and dense vectors take most of the time.
  const size_t length = input.Choice(1024);
  const size_t elements = length < 1000 ? 1 + length % 320 : 4096 + (length - 1008) * 300;
  const size_t peers = 1 + input.Choice(3);
  const size_t chunks = (elements + 4095) / 4096;
  const std::vector<uint8_t> records = input.Fill<uint8_t>(chunks * peers * both.tables[0]->record_bytes);
  const std::vector<uint8_t> first(records.begin(), records.begin() + chunks * both.tables[0]->record_bytes);

  struct Result {
    ptrdiff_t invalid, alone, non_finite;
    std::vector<double> norms;
    ptrdiff_t non_finite_narrow;
    std::vector<float> dense, sum, next, in_place;
    std::vector<uint16_t> narrow;
  } results[2];
  for (int i = 0; i < 2; i++) {
    const KernelTable& table = *both.tables[i];
    Result& result = results[i];
    result.invalid = table.find_invalid(records.data(), elements, peers);
    result.alone = table.find_invalid(first.data(), elements, 1);
    result.norms.resize(chunks);
    table.record_norms(first.data(), result.norms.data(), chunks);
    result.dense.resize(elements);
    table.decode(first.data(), result.dense.data(), elements);
    result.sum.assign(elements, 0.25f);
    table.add_scaled(first.data(), -0.5f, result.sum.data(), elements);
    const std::vector<float> weights(peers, 0.3f), theta(elements, 1.0f);
    result.next.resize(elements);
    result.non_finite =
        table.aggregate(records.data(), weights.data(), peers, 1.5f, theta.data(), result.next.data(), elements);
    result.in_place = theta;
    table.aggregate(records.data(), weights.data(), peers, 1.5f, result.in_place.data(), result.in_place.data(), elements);
    result.narrow.assign(elements, 0x7f7f);
    result.non_finite_narrow = table.aggregate_bfloat16(records.data(), weights.data(), peers, 1.5f, result.narrow.data(),
                                                        result.narrow.data(), elements);
    Require(SameBytes(result.next, result.in_place), "an outer step in place differs");
  }
  Require(results[0].invalid == results[1].invalid, "the instruction sets judge records differently");
  Require(results[0].alone == results[1].alone, "the instruction sets judge one peer's records differently");
  // Bytes that are not valid may mean anything to either, as long as it stays inside.
  if (results[0].alone < 0) {
    Require(SameBytes(results[0].norms, results[1].norms), "norms differ");
    Require(SameBytes(results[0].dense, results[1].dense), "values differ");
    Require(SameBytes(results[0].sum, results[1].sum), "sums differ");
  }
  if (results[0].invalid < 0) {
    Require(results[0].non_finite == results[1].non_finite, "outer steps differ in what is not finite");
    Require(results[0].non_finite >= 0 || SameBytes(results[0].next, results[1].next), "outer steps differ");
    Require(results[0].non_finite_narrow == results[1].non_finite_narrow, "bfloat16 steps differ in what is not finite");
    Require(results[0].non_finite_narrow >= 0 || SameBytes(results[0].narrow, results[1].narrow), "bfloat16 steps differ");
  }
  return 0;
}
