// The native kernels of codec.ts on plain node_api.h. Every argument is checked here: a wrong one is a TypeError,
// and no bytes, however hostile, lead outside the arrays given.
#include "aggregate.h"
#include "arguments.h"
#include "compress.h"

namespace {

using outerloop::Array;
using outerloop::Call;
using outerloop::kChunk;
using outerloop::Record;

// Carries a supported k to a kernel as a compile-time constant.
template <int kKeep>
struct Keep {
  static constexpr int kValue = kKeep;
};

template <class Kernel>
void Dispatch(Call& call, size_t k, Kernel kernel) {
  switch (k) {
    case 16: return kernel(Keep<16>());
    case 32: return kernel(Keep<32>());
    case 64: return kernel(Keep<64>());
    case 128: return kernel(Keep<128>());
    case 256: return kernel(Keep<256>());
    default: call.Require(false, "k must be 16, 32, 64, 128 or 256");
  }
}

constexpr const char* kRecordsMessage = "records must be a Uint8Array";
constexpr const char* kKeepMessage = "k must be a number";
constexpr const char* kSizeMessage = "records must hold one record per chunk and peer";

// True where `records` holds exactly one record per chunk and peer. Divides, because a product could wrap.
template <int kKeep>
bool HoldsRecords(const Array<uint8_t>& records, size_t elements, size_t peers) {
  const size_t count = records.length / Record<kKeep>::kBytes;
  if (records.length % Record<kKeep>::kBytes != 0) return false;
  const size_t chunks = elements / kChunk + (elements % kChunk != 0);
  if (chunks == 0 || peers == 0) return count == 0;
  return count % peers == 0 && count / peers == chunks;
}

// findNonFinite(delta, error, beta)
napi_value FindNonFinite(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto delta = call.ArrayOf<float>("delta must be a Float32Array");
  const auto error = call.ArrayOf<float>("error must be a Float32Array");
  const float beta = call.Float("beta must be a number");
  call.Require(delta.length == error.length, "delta and error must have equal length");
  if (!call.ok()) return nullptr;
  return call.Return(outerloop::FindNonFinite(delta.data, error.data, beta, delta.length));
}

// compress(delta, error, beta, k, records)
napi_value Compress(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto delta = call.ArrayOf<float>("delta must be a Float32Array");
  const auto error = call.ArrayOf<float>("error must be a Float32Array");
  const float beta = call.Float("beta must be a number");
  const size_t k = call.Count(kKeepMessage);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  call.Require(delta.length == error.length, "delta and error must have equal length");
  call.Require(!Overlap(delta, error) && !Overlap(delta, records) && !Overlap(error, records),
               "delta, error and records must not share memory");
  if (!call.ok()) return nullptr;
  Dispatch(call, k, [&](auto keep) {
    constexpr int kKeep = decltype(keep)::kValue;
    call.Require(HoldsRecords<kKeep>(records, delta.length, 1), kSizeMessage);
    if (!call.ok()) return;
    outerloop::Compressor<kKeep>().Compress(delta.data, error.data, beta, delta.length, records.data);
  });
  return nullptr;
}

// findInvalid(records, k, elements, peers)
napi_value FindInvalid(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const size_t k = call.Count(kKeepMessage);
  const size_t elements = call.Count("elements must be a whole number");
  const size_t peers = call.Count("peers must be a whole number");
  if (!call.ok()) return nullptr;
  ptrdiff_t found = -1;
  Dispatch(call, k, [&](auto keep) {
    constexpr int kKeep = decltype(keep)::kValue;
    call.Require(HoldsRecords<kKeep>(records, elements, peers), kSizeMessage);
    if (call.ok()) found = outerloop::FindInvalid<kKeep>(records.data, elements, peers);
  });
  return call.ok() ? call.Return(found) : nullptr;
}

// recordNorms(records, k, norms)
napi_value RecordNorms(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const size_t k = call.Count(kKeepMessage);
  const auto norms = call.ArrayOf<double>("norms must be a Float64Array");
  if (!call.ok()) return nullptr;
  Dispatch(call, k, [&](auto keep) {
    constexpr int kKeep = decltype(keep)::kValue;
    call.Require(HoldsRecords<kKeep>(records, norms.length * kChunk, 1), kSizeMessage);
    if (!call.ok()) return;
    for (size_t chunk = 0; chunk < norms.length; chunk++) {
      norms.data[chunk] = Record<kKeep>::SquaredNorm(records.data + chunk * Record<kKeep>::kBytes);
    }
  });
  return nullptr;
}

// decode(records, k, out)
napi_value Decode(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const size_t k = call.Count(kKeepMessage);
  const auto out = call.ArrayOf<float>("out must be a Float32Array");
  if (!call.ok()) return nullptr;
  Dispatch(call, k, [&](auto keep) {
    constexpr int kKeep = decltype(keep)::kValue;
    call.Require(HoldsRecords<kKeep>(records, out.length, 1), kSizeMessage);
    if (call.ok()) outerloop::Decode<kKeep>(records.data, out.data, out.length);
  });
  return nullptr;
}

// addScaled(records, k, factor, out)
napi_value AddScaled(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const size_t k = call.Count(kKeepMessage);
  const float factor = call.Float("factor must be a number");
  const auto out = call.ArrayOf<float>("out must be a Float32Array");
  if (!call.ok()) return nullptr;
  Dispatch(call, k, [&](auto keep) {
    constexpr int kKeep = decltype(keep)::kValue;
    call.Require(HoldsRecords<kKeep>(records, out.length, 1), kSizeMessage);
    if (call.ok()) outerloop::AddScaled<kKeep>(records.data, factor, out.data, out.length);
  });
  return nullptr;
}

// aggregate(records, k, coefficients, alpha, theta, next)
napi_value Aggregate(napi_env env, napi_callback_info info) {
  Call call(env, info);
  const auto records = call.ArrayOf<uint8_t>(kRecordsMessage);
  const size_t k = call.Count(kKeepMessage);
  const auto coefficients = call.ArrayOf<float>("coefficients must be a Float32Array");
  const float alpha = call.Float("alpha must be a number");
  const auto theta = call.ArrayOf<float>("theta must be a Float32Array");
  const auto next = call.ArrayOf<float>("next must be a Float32Array");
  call.Require(theta.length == next.length, "theta and next must have equal length");
  if (!call.ok()) return nullptr;
  ptrdiff_t found = -1;
  Dispatch(call, k, [&](auto keep) {
    constexpr int kKeep = decltype(keep)::kValue;
    call.Require(HoldsRecords<kKeep>(records, theta.length, coefficients.length), kSizeMessage);
    if (!call.ok()) return;
    found = outerloop::Aggregate<kKeep>(records.data, coefficients.data, coefficients.length, alpha, theta.data, next.data,
                             theta.length);
  });
  return call.ok() ? call.Return(found) : nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback function;
  } kernels[] = {
      {"findNonFinite", FindNonFinite}, {"compress", Compress},   {"findInvalid", FindInvalid},
      {"recordNorms", RecordNorms},     {"decode", Decode},       {"addScaled", AddScaled},
      {"aggregate", Aggregate},
  };
  for (const auto& kernel : kernels) {
    napi_value function;
    if (napi_create_function(env, kernel.name, NAPI_AUTO_LENGTH, kernel.function, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, kernel.name, function) != napi_ok) {
      napi_throw_error(env, nullptr, "outerloop: the addon could not register its functions");
      return nullptr;
    }
  }
  return exports;
}
