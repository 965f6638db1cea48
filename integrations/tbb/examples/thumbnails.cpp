// SPDX-License-Identifier: MIT
//
// Two requests at once, each of which scales pictures in parallel. Every piece of work is counted for the
// request that it belongs to, whichever thread does it.
#include <contextvars/contextvars.hpp>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

namespace {

using contextvars::bind_context;

struct request {
    std::atomic<int> calls{0};
};
contextvars::ContextVar<std::shared_ptr<request>> current{"request"};

/// Knows its request without a parameter.
int scale(int picture) {
    ++current.get()->calls;
    return picture % 7;
}

int serve(const std::shared_ptr<request>& r, int pictures) {
    const auto scope = current.scoped(r);

    // [parallel_for]
    tbb::parallel_for(tbb::blocked_range<int>(0, pictures),
                      bind_context([](const tbb::blocked_range<int>& range) {
                          for (int picture = range.begin(); picture != range.end(); ++picture)
                              scale(picture);
                      }));
    // [/parallel_for]

    // [parallel_reduce]
    const int bytes = tbb::parallel_reduce(
        tbb::blocked_range<int>(0, pictures), 0,
        bind_context([](const tbb::blocked_range<int>& range, int sum) {
            for (int picture = range.begin(); picture != range.end(); ++picture)
                sum += scale(picture);
            return sum;
        }),
        std::plus<>()); // what reads no variable need not be bound
    // [/parallel_reduce]

    // [task_group]
    tbb::task_group group;
    group.run(bind_context([] { scale(1); }));
    group.run(bind_context([] { scale(2); }));
    group.wait(); // may do the work of another request meanwhile, on this very stack
    // [/task_group]

    // [task_arena]
    tbb::task_arena arena(1);
    tbb::task_group in_arena;
    arena.enqueue(in_arena.defer(bind_context([] { scale(3); })));
    arena.execute(bind_context([&] { in_arena.wait(); })); // TBB may do it on a thread of its own
    // [/task_arena]
    return bytes;
}

} // namespace

int main() {
    const auto ann = std::make_shared<request>();
    const auto bob = std::make_shared<request>();
    int of_bob = 0;
    std::thread other([&] { of_bob = serve(bob, 700); });
    const int of_ann = serve(ann, 70);
    other.join();
    std::printf("ann: %d bytes, %d calls\nbob: %d bytes, %d calls\n", of_ann, ann->calls.load(),
                of_bob, bob->calls.load());
}
