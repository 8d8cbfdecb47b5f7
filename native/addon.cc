// The native kernels of codec.ts on plain node_api.h. Every argument is checked here: a wrong one is a TypeError,
// and no bytes, however hostile, lead outside the arrays given.
#include "arguments.h"
#include "kernels.h"

namespace {

using outerloop::Array;
using outerloop::Call;
using outerloop::KernelTable;
using outerloop::TableOf;

constexpr size_t kChunk = 4096;  // elements

constexpr const char* kRecordsMessage = "records must be a Uint8Array";
constexpr const char* kSizeMessage = "records must hold one record per chunk and peer";

// The kernels of the k that is the next argument, on the instruction set that the function was made for.
const KernelTable* TableArgument(Call& call) {
  const size_t k = call.Count("k must be a number");
  const KernelTable* table = call.ok() ? reinterpret_cast<TableOf>(call.data())(k) : nullptr;
  call.Require(table != nullptr, "k must be 16, 32, 64, 128 or 256");
  return table;
}

// True where `records` holds exactly one record per chunk and peer. Divides, because a product could wrap.
bool HoldsRecords(const KernelTable& table, const Array<uint8_t>& records, size_t elements, size_t peers) {
  const size_t count = records.length / table.record_bytes;
  if (records.length % table.record_bytes != 0) return false;
  const size_t chunks = elements / kChunk + (elements % kChunk != 0);
  if (chunks == 0 || peers == 0) return count == 0;
  return count % peers == 0 && count / peers == chunks;
}

// compress(delta, error, next, beta, k, records)
napi_value Compress(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto delta = call.ArrayOf<float>("delta must be a Float32Array");
  const auto error = call.ArrayOf<float>("error must be a Float32Array");
  const auto next = call.ArrayOf<float>("next must be a Float32Array");
  const float beta = call.Float("beta must be a number");
  const KernelTable* table = TableArgument(call);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  call.Require(delta.length == error.length && delta.length == next.length,
               "delta, error and next must have equal length");
  call.Require(!Overlap(delta, next) && !Overlap(error, next) && !Overlap(delta, records) &&
                   !Overlap(error, records) && !Overlap(next, records),
               "next and records must share memory with nothing");
  if (!call.ok()) return nullptr;
  call.Require(HoldsRecords(*table, records, delta.length, 1), kSizeMessage);
  if (!call.ok()) return nullptr;
  return call.Return(table->compress(delta.data, error.data, next.data, beta, delta.length, records.data));
}

// findInvalid(records, k, elements, peers)
napi_value FindInvalid(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const size_t elements = call.Count("elements must be a whole number");
  const size_t peers = call.Count("peers must be a whole number");
  if (!call.ok()) return nullptr;
  call.Require(HoldsRecords(*table, records, elements, peers), kSizeMessage);
  if (!call.ok()) return nullptr;
  return call.Return(table->find_invalid(records.data, elements, peers));
}

// recordNorms(records, k, norms)
napi_value RecordNorms(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const auto norms = call.ArrayOf<double>("norms must be a Float64Array");
  if (!call.ok()) return nullptr;
  call.Require(HoldsRecords(*table, records, norms.length * kChunk, 1), kSizeMessage);
  if (call.ok()) table->record_norms(records.data, norms.data, norms.length);
  return nullptr;
}

// decode(records, k, out)
napi_value Decode(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const auto out = call.ArrayOf<float>("out must be a Float32Array");
  if (!call.ok()) return nullptr;
  call.Require(HoldsRecords(*table, records, out.length, 1), kSizeMessage);
  if (call.ok()) table->decode(records.data, out.data, out.length);
  return nullptr;
}

// addScaled(records, k, factor, out)
napi_value AddScaled(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const float factor = call.Float("factor must be a number");
  const auto out = call.ArrayOf<float>("out must be a Float32Array");
  if (!call.ok()) return nullptr;
  call.Require(HoldsRecords(*table, records, out.length, 1), kSizeMessage);
  if (call.ok()) table->add_scaled(records.data, factor, out.data, out.length);
  return nullptr;
}

// aggregate(records, k, coefficients, alpha, theta, next)
napi_value Aggregate(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const auto coefficients = call.ArrayOf<float>("coefficients must be a Float32Array");
  const float alpha = call.Float("alpha must be a number");
  const auto theta = call.ArrayOf<float>("theta must be a Float32Array");
  const auto next = call.ArrayOf<float>("next must be a Float32Array");
  call.Require(theta.length == next.length, "theta and next must have equal length");
  if (!call.ok()) return nullptr;
  call.Require(HoldsRecords(*table, records, theta.length, coefficients.length), kSizeMessage);
  if (!call.ok()) return nullptr;
  return call.Return(table->aggregate(records.data, coefficients.data, coefficients.length, alpha, theta.data,
                                      next.data, theta.length));
}

// exports[name] = the kernels of one instruction set.
bool Export(napi_env env, napi_value exports, const char* name, TableOf table_of) {
  const struct {
    const char* name;
    napi_callback function;
  } kernels[] = {
      {"compress", Compress}, {"findInvalid", FindInvalid}, {"recordNorms", RecordNorms},
      {"decode", Decode},     {"addScaled", AddScaled},     {"aggregate", Aggregate},
  };
  napi_value set;
  if (napi_create_object(env, &set) != napi_ok) return false;
  for (const auto& kernel : kernels) {
    napi_value function;
    void* data = reinterpret_cast<void*>(table_of);
    if (napi_create_function(env, kernel.name, NAPI_AUTO_LENGTH, kernel.function, data, &function) != napi_ok ||
        napi_set_named_property(env, set, kernel.name, function) != napi_ok)
      return false;
  }
  return napi_set_named_property(env, exports, name, set) == napi_ok;
}

}  // namespace

// { portable, avx2? }: a set of kernels for each instruction set that this processor has.
NAPI_MODULE_INIT() {
  bool complete = Export(env, exports, "portable", outerloop::portable::TableFor);
#ifdef OUTERLOOP_HAS_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("popcnt"))
    complete = complete && Export(env, exports, "avx2", outerloop::avx2::TableFor);
#endif
  if (!complete) {
    napi_throw_error(env, nullptr, "outerloop: the addon could not register its functions");
    return nullptr;
  }
  return exports;
}
