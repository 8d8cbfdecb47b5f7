// The native kernels of codec.ts on plain node_api.h. Every argument is checked here: a wrong one is a TypeError,
// and no bytes, however hostile, lead outside the arrays given.
#include <functional>

#include "arguments.h"
#include "background.h"
#include "kernels.h"

// Which sources it was made of: build.mjs looks for it.
extern "C" __attribute__((visibility("default"), used)) const char outerloop_stamp[] = OUTERLOOP_STAMP;

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

// Each of these checks the arguments of a call and returns the work: null, and an exception is pending, if they are no good.
using outerloop::Work;

// compress(delta, error, next, beta, k, records); delta: f32, or bfloat16 as bits
template <class Delta>
Work CompressOf(Call& call) {
  const auto delta = call.ArrayOf<Delta>("delta must be a Float32Array or a Uint16Array");
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
  call.Require(table != nullptr && HoldsRecords(*table, records, delta.length, 1), kSizeMessage);
  if (!call.ok()) return nullptr;
  if constexpr (sizeof(Delta) == sizeof(float))
    return [=] { return table->compress(delta.data, error.data, next.data, beta, delta.length, records.data); };
  else
    return [=] { return table->compress_bfloat16(delta.data, error.data, next.data, beta, delta.length, records.data); };
}

Work Compress(Call& call) { return call.NextIsBfloat16() ? CompressOf<uint16_t>(call) : CompressOf<float>(call); }

// findInvalid(records, k, elements, peers)
Work FindInvalid(Call& call) {
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const size_t elements = call.Count("elements must be a whole number");
  const size_t peers = call.Count("peers must be a whole number");
  call.Require(table != nullptr && HoldsRecords(*table, records, elements, peers), kSizeMessage);
  if (!call.ok()) return nullptr;
  return [=] { return table->find_invalid(records.data, elements, peers); };
}

// recordNorms(records, k, norms)
Work RecordNorms(Call& call) {
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const auto norms = call.ArrayOf<double>("norms must be a Float64Array");
  call.Require(table != nullptr && HoldsRecords(*table, records, norms.length * kChunk, 1), kSizeMessage);
  if (!call.ok()) return nullptr;
  return [=] { return table->record_norms(records.data, norms.data, norms.length), 0; };
}

// decode(records, k, out)
Work Decode(Call& call) {
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const auto out = call.ArrayOf<float>("out must be a Float32Array");
  call.Require(table != nullptr && HoldsRecords(*table, records, out.length, 1), kSizeMessage);
  if (!call.ok()) return nullptr;
  return [=] { return table->decode(records.data, out.data, out.length), 0; };
}

// addScaled(records, k, factor, out)
Work AddScaled(Call& call) {
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const float factor = call.Float("factor must be a number");
  const auto out = call.ArrayOf<float>("out must be a Float32Array");
  call.Require(table != nullptr && HoldsRecords(*table, records, out.length, 1), kSizeMessage);
  if (!call.ok()) return nullptr;
  return [=] { return table->add_scaled(records.data, factor, out.data, out.length), 0; };
}

// aggregate(records, k, coefficients, alpha, theta, next); theta and next: f32, or bfloat16 as bits
Work Aggregate(Call& call) {
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const KernelTable* table = TableArgument(call);
  const auto coefficients = call.ArrayOf<float>("coefficients must be a Float32Array");
  const float alpha = call.Float("alpha must be a number");
  const auto finish = [&](const auto& theta, const auto& next, auto kernel_of) -> Work {
    call.Require(theta.length == next.length, "theta and next must have equal length");
    call.Require((static_cast<const void*>(theta.data) == next.data || !Overlap(theta, next)) &&
                     !Overlap(records, next) && !Overlap(coefficients, next),
                 "next must be theta itself, or share memory with nothing");
    call.Require(table != nullptr && HoldsRecords(*table, records, theta.length, coefficients.length), kSizeMessage);
    if (!call.ok()) return nullptr;
    const auto kernel = kernel_of(*table);
    return [=] {
      return kernel(records.data, coefficients.data, coefficients.length, alpha, theta.data, next.data, theta.length);
    };
  };
  if (call.NextIsBfloat16()) {
    const auto theta = call.ArrayOf<uint16_t>("theta must be a Uint16Array");
    const auto next = call.ArrayOf<uint16_t>("next must be a Uint16Array like theta");
    return finish(theta, next, [](const KernelTable& kernels) { return kernels.aggregate_bfloat16; });
  }
  const auto theta = call.ArrayOf<float>("theta must be a Float32Array or a Uint16Array");
  const auto next = call.ArrayOf<float>("next must be a Float32Array like theta");
  return finish(theta, next, [](const KernelTable& kernels) { return kernels.aggregate; });
}

// crc32c(bytes, before)
Work Crc32c(Call& call) {
  const auto bytes = call.ArrayOf<uint8_t>("bytes must be a Uint8Array");
  const size_t before = call.Count("the CRC before must be a whole number");
  call.Require(before <= UINT32_MAX, "the CRC before must be a whole number below 2^32");
  if (!call.ok()) return nullptr;
  const auto crc32c = reinterpret_cast<TableOf>(call.data())(64)->crc32c;
  return [=] { return static_cast<ptrdiff_t>(crc32c(bytes.data, bytes.length, static_cast<uint32_t>(before))); };
}

template <Work (*kPrepare)(Call&)>
napi_value Now(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const Work work = kPrepare(call);
  return work == nullptr ? nullptr : call.Return(work());
}

template <Work (*kPrepare)(Call&)>
napi_value InBackground(napi_env env, napi_callback_info info) {
  Call call(env, info);
  Work work = kPrepare(call);
  call.Require(call.all_shared(), "arrays for work in the background must lie in shared memory");
  return call.ok() ? outerloop::Queue(env, call, std::move(work)) : nullptr;
}

struct Function {
  const char* name;
  napi_callback call;
};

constexpr Function kKernels[] = {
    {"compress", Now<Compress>}, {"findInvalid", Now<FindInvalid>}, {"recordNorms", Now<RecordNorms>},
    {"decode", Now<Decode>},     {"addScaled", Now<AddScaled>},     {"aggregate", Now<Aggregate>},
    {"crc32c", Now<Crc32c>},
};
constexpr Function kBackgroundKernels[] = {
    {"compress", InBackground<Compress>},
    {"aggregate", InBackground<Aggregate>},
};

// object[name] = function, for each.
template <size_t kCount>
bool Fill(napi_env env, napi_value object, const Function (&functions)[kCount], TableOf table_of) {
  for (const Function& one : functions) {
    napi_value function;
    void* data = reinterpret_cast<void*>(table_of);
    if (napi_create_function(env, one.name, NAPI_AUTO_LENGTH, one.call, data, &function) != napi_ok ||
        napi_set_named_property(env, object, one.name, function) != napi_ok)
      return false;
  }
  return true;
}

// exports[name] = the kernels of one instruction set; their `background`: those that return a promise.
bool Export(napi_env env, napi_value exports, const char* name, TableOf table_of) {
  napi_value set, background;
  return napi_create_object(env, &set) == napi_ok && napi_create_object(env, &background) == napi_ok &&
         Fill(env, set, kKernels, table_of) && Fill(env, background, kBackgroundKernels, table_of) &&
         napi_set_named_property(env, set, "background", background) == napi_ok &&
         napi_set_named_property(env, exports, name, set) == napi_ok;
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
