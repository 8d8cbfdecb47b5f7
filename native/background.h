// Work on the threads of libuv's pool, as a promise.
#pragma once
#include <functional>
#include <utility>

#include "arguments.h"

namespace outerloop {

using Work = std::function<ptrdiff_t()>;

// One piece of work under way. The references keep the arrays; shared memory cannot be taken away while they last. At the end of a
// process or worker, Node waits for what is under way.
class Job {
 public:
  Job(napi_env env, const Call& call, Work work) : env_(env), work_(std::move(work)) {
    for (size_t i = 0; i < call.num_arrays(); i++)
      if (napi_create_reference(env, call.arrays()[i], 1, &arrays_[num_arrays_]) == napi_ok) num_arrays_++;
  }

  ~Job() {
    for (size_t i = 0; i < num_arrays_; i++) napi_delete_reference(env_, arrays_[i]);
    if (queued_ != nullptr) napi_delete_async_work(env_, queued_);
  }

  // The promise of the result, or null: an exception is pending.
  napi_value Start(size_t num_arrays) {
    napi_value promise = nullptr, name;
    if (num_arrays_ == num_arrays && napi_create_string_utf8(env_, "outerloop codec", NAPI_AUTO_LENGTH, &name) == napi_ok &&
        napi_create_promise(env_, &deferred_, &promise) == napi_ok &&
        napi_create_async_work(env_, nullptr, name, Run, Finish, this, &queued_) == napi_ok &&
        napi_queue_async_work(env_, queued_) == napi_ok)
      return promise;
    delete this;
    napi_throw_error(env_, nullptr, "outerloop: the work could not be queued");
    return nullptr;
  }

 private:
  static void Run(napi_env, void* data) {
    Job* job = static_cast<Job*>(data);
    job->result_ = job->work_();
  }

  static void Finish(napi_env env, napi_status, void* data) {
    Job* job = static_cast<Job*>(data);
    napi_value result;
    if (napi_create_double(env, static_cast<double>(job->result_), &result) == napi_ok)
      napi_resolve_deferred(env, job->deferred_, result);
    delete job;
  }

  napi_env env_;
  Work work_;
  napi_ref arrays_[Call::kMaxArguments] = {nullptr};
  size_t num_arrays_ = 0;
  napi_async_work queued_ = nullptr;
  napi_deferred deferred_ = nullptr;
  ptrdiff_t result_ = -1;
};

inline napi_value Queue(napi_env env, const Call& call, Work work) {
  return (new Job(env, call, std::move(work)))->Start(call.num_arrays());
}

}  // namespace outerloop
