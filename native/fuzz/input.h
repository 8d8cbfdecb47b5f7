// What the fuzz targets share: an input is a few choices, then bytes that are repeated as often as it takes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../kernels.h"

namespace outerloop {

constexpr size_t kFuzzKeeps[] = {16, 32, 64, 128, 256};

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  // A number below `limit`; 0 when there are no bytes left.
  size_t Choice(size_t limit) {
    size_t value = 0;
    for (int i = 0; i < 2 && at_ < size_; i++) value = value << 8 | data_[at_++];
    return value % limit;
  }

  // The next bytes; zeros when there are none left.
  void Copy(uint8_t* to, size_t length) {
    const size_t left = size_ - at_;
    const size_t own = left < length ? left : length;
    memcpy(to, data_ + at_, own);
    memset(to + own, 0, length - own);
    at_ += own;
  }

  // Exactly so many numbers, in memory of their own: whoever reads or writes past them is caught.
  template <class Number>
  std::vector<Number> Fill(size_t count) {
    std::vector<Number> filled(count);
    uint8_t* to = reinterpret_cast<uint8_t*>(filled.data());
    const size_t left = size_ - at_;
    for (size_t i = 0; i < count * sizeof(Number); i++) to[i] = left == 0 ? 0 : data_[at_ + i % left];
    return filled;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

template <class Number>
bool SameBytes(const std::vector<Number>& a, const std::vector<Number>& b) {
  return a.size() == b.size() && (a.empty() || memcmp(a.data(), b.data(), a.size() * sizeof(Number)) == 0);
}

inline void Require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

// The kernels of both instruction sets.
struct BothTables {
  explicit BothTables(size_t k) : tables{portable::TableFor(k), avx2::TableFor(k)} {}
  const KernelTable* tables[2];
};

}  // namespace outerloop
