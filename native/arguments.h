// The arguments of a call from JavaScript, checked one by one, on plain node_api.h.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace outerloop {

template <class T>
struct Array {
  T* data = nullptr;
  size_t length = 0;
};

template <class T>
struct ElementType;
template <>
struct ElementType<uint8_t> {
  static constexpr napi_typedarray_type kType = napi_uint8_array;
};
template <>
struct ElementType<uint16_t> {
  static constexpr napi_typedarray_type kType = napi_uint16_array;
};
template <>
struct ElementType<float> {
  static constexpr napi_typedarray_type kType = napi_float32_array;
};
template <>
struct ElementType<double> {
  static constexpr napi_typedarray_type kType = napi_float64_array;
};

template <class T, class U>
bool Overlap(const Array<T>& a, const Array<U>& b) {
  const auto a_start = reinterpret_cast<uintptr_t>(a.data), b_start = reinterpret_cast<uintptr_t>(b.data);
  return a_start < b_start + b.length * sizeof(U) && b_start < a_start + a.length * sizeof(T);
}

// The arguments of one call, read in order. After the first that does not fit, a TypeError is pending, ok() is
// false and the kernel must not run.
class Call {
 public:
  static constexpr size_t kMaxArguments = 6;

  Call(napi_env env, napi_callback_info info) : env_(env) {
    Require(napi_get_cb_info(env, info, &count_, arguments_, nullptr, &data_) == napi_ok, "no arguments");
  }

  // What the function was made with.
  void* data() const { return data_; }

  bool ok() const { return ok_; }

  void Require(bool condition, const char* message) {
    if (condition || !ok_) return;
    ok_ = false;
    napi_throw_type_error(env_, nullptr, message);
  }

  template <class T>
  Array<T> ArrayOf(const char* message) {
    Array<T> array;
    napi_typedarray_type type;
    bool is_typed_array = false;
    void* data = nullptr;
    napi_value memory = nullptr;
    napi_value value = Next();
    const bool fits = value != nullptr && napi_is_typedarray(env_, value, &is_typed_array) == napi_ok &&
                      is_typed_array &&
                      napi_get_typedarray_info(env_, value, &type, &array.length, &data, &memory, nullptr) == napi_ok &&
                      type == ElementType<T>::kType &&
                      reinterpret_cast<uintptr_t>(data) % alignof(T) == 0;  // memory of another addon may begin anywhere
    Require(fits, message);
    array.data = static_cast<T*>(data);
    bool can_be_taken_away = true;  // An ArrayBuffer can be detached or shrunk while another thread works on it, shared memory cannot.
    if (fits && num_arrays_ < kMaxArguments && napi_is_arraybuffer(env_, memory, &can_be_taken_away) == napi_ok)
      arrays_[num_arrays_++] = value;
    all_shared_ = all_shared_ && !can_be_taken_away;
    return array;
  }

  // True if the next argument is an array of bfloat16 bits.
  bool NextIsBfloat16() const {
    bool is_typed_array = false;
    napi_typedarray_type type;
    return next_ < count_ && next_ < kMaxArguments &&
           napi_is_typedarray(env_, arguments_[next_], &is_typed_array) == napi_ok && is_typed_array &&
           napi_get_typedarray_info(env_, arguments_[next_], &type, nullptr, nullptr, nullptr, nullptr) == napi_ok &&
           type == napi_uint16_array;
  }

  // The arrays that were given, and whether all of them lie in shared memory.
  const napi_value* arrays() const { return arrays_; }
  size_t num_arrays() const { return num_arrays_; }
  bool all_shared() const { return all_shared_; }

  float Float(const char* message) {
    double number = 0;
    napi_value value = Next();
    Require(value != nullptr && napi_get_value_double(env_, value, &number) == napi_ok, message);
    return static_cast<float>(number);
  }

  // A whole number in 0..2^53.
  size_t Count(const char* message) {
    double number = -1;
    napi_value value = Next();
    const bool fits = value != nullptr && napi_get_value_double(env_, value, &number) == napi_ok && number >= 0 &&
                      number <= 9007199254740992.0 && number == static_cast<double>(static_cast<uint64_t>(number));
    Require(fits, message);
    return ok_ ? static_cast<size_t>(number) : 0;
  }

  napi_value Return(ptrdiff_t number) {
    napi_value result = nullptr;
    napi_create_double(env_, static_cast<double>(number), &result);
    return result;
  }

 private:
  napi_value Next() { return next_ < count_ && next_ < kMaxArguments ? arguments_[next_++] : nullptr; }

  napi_env env_;
  napi_value arguments_[kMaxArguments] = {nullptr};
  napi_value arrays_[kMaxArguments] = {nullptr};
  size_t num_arrays_ = 0;
  bool all_shared_ = true;
  size_t count_ = kMaxArguments;
  size_t next_ = 0;
  void* data_ = nullptr;
  bool ok_ = true;
};

}  // namespace outerloop
