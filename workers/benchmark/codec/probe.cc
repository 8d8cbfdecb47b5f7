// The memory's speed for what a codec has to do at least: e = b * e + d, in place, over large vectors. Answers each line
// "<threads>" on stdin with the nanoseconds an element took.
//
//     probe <elements>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

void Pass(float* e, const float* d, float b, size_t elements) {
  for (size_t i = 0; i < elements; i++) e[i] = b * e[i] + d[i];
}

double NanosecondsOf(std::vector<float>& e, const std::vector<float>& d, size_t threads) {
  const auto from = std::chrono::steady_clock::now();
  std::vector<std::thread> workers;
  for (size_t t = 0; t < threads; t++) {
    const size_t first = e.size() / threads * t;
    const size_t end = t + 1 == threads ? e.size() : e.size() / threads * (t + 1);
    workers.emplace_back(Pass, e.data() + first, d.data() + first, 0.95f, end - first);
  }
  for (std::thread& worker : workers) worker.join();
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - from;
  return taken.count() / static_cast<double>(e.size());
}

}  // namespace

int main(int argc, char** argv) {
  const size_t elements = argc > 1 ? strtoull(argv[1], nullptr, 10) : 0;
  std::vector<float> e(elements, 1e-3f), d(elements, 1e-4f);
  unsigned threads = 0;
  while (scanf("%u", &threads) == 1) {
    if (threads == 0) return 1;
    printf("%.6f\n", NanosecondsOf(e, d, threads));
    fflush(stdout);
  }
}
