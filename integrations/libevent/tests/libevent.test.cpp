// SPDX-License-Identifier: MIT
//
// as_callback in libevent.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <event2/event.h>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::NothingLeaks;

namespace {

cv::ContextVar<int> request{"request", 0};
cv::ContextVar<std::shared_ptr<Counted>> held{"held"};

class LibeventTest : public contextvars_tests::Isolated {
protected:
    using event_pointer = std::unique_ptr<event, decltype(&event_free)>;

    template <class Callback>
    event_pointer make(short what, const Callback& callback) {
        return {event_new(base.get(), -1, what, callback.function(), callback.data()), event_free};
    }

    std::unique_ptr<event_base, decltype(&event_base_free)> base{event_base_new(), event_base_free};
    const timeval at_once{};
};

} // namespace

TEST_F(LibeventTest, a_queued_callback_gets_the_context_of_its_own_caller) {
    std::vector<int> seen;
    for (int i = 1; i <= 5; ++i) {
        const auto scope = request.scoped(i);
        auto callback = cv::as_callback_once<event_callback_fn>(
            [&](evutil_socket_t, short) { seen.push_back(request.get()); });
        ASSERT_EQ(event_base_once(base.get(), -1, EV_TIMEOUT, callback.function(), callback.data(),
                                  &at_once),
                  0);
        callback.hand_over();
    }
    const auto scope = request.scoped(100);
    event_base_dispatch(base.get());
    EXPECT_EQ(seen.size(), 5U);
    int sum = 0;
    for (const int each : seen)
        sum += each;
    EXPECT_EQ(sum, 15);
    EXPECT_EQ(request.get(), 100);
}

TEST_F(LibeventTest, an_event_that_persists_begins_each_time_in_the_same_context) {
    int calls = 0;
    std::optional<event_pointer> timer;
    const auto callback = [&] {
        const auto scope = request.scoped(7);
        return cv::as_callback<event_callback_fn>([&](evutil_socket_t, short) {
            EXPECT_EQ(request.get(), 7);
            request.set(8);
            if (++calls == 3)
                event_del(timer->get());
        });
    }();
    timer.emplace(make(EV_PERSIST, callback));
    const timeval soon{0, 1000};
    event_add(timer->get(), &soon);
    event_base_dispatch(base.get());
    EXPECT_EQ(calls, 3);
}

TEST_F(LibeventTest, a_callback_that_the_loop_never_calls_is_freed_with_its_object) {
    const NothingLeaks checks;
    {
        const auto scope = held.scoped(std::make_shared<Counted>());
        const auto callback = cv::as_callback<event_callback_fn>(
            [c = Counted()](evutil_socket_t, short) { ADD_FAILURE(); });
        const auto timer = make(0, callback);
        const timeval late{1000, 0};
        event_add(timer.get(), &late);
        event_base_loop(base.get(), EVLOOP_NONBLOCK);
    }
    EXPECT_TRUE(checks.holds());
}

TEST_F(LibeventTest, a_callback_may_free_its_own_event_and_end_itself) {
    const NothingLeaks checks;
    std::optional<cv::Callback<void(evutil_socket_t, short, void*)>> callback;
    std::optional<event_pointer> timer;
    bool done = false;
    callback.emplace(cv::as_callback<event_callback_fn>(
        [&, c = std::make_shared<Counted>(3)](evutil_socket_t, short) {
            timer.reset();
            callback.reset();
            EXPECT_EQ(c->value, 3);
            done = true;
        }));
    timer.emplace(make(0, *callback));
    event_add(timer->get(), &at_once);
    event_base_dispatch(base.get());
    EXPECT_TRUE(done);
    EXPECT_TRUE(checks.holds());
}
