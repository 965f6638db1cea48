// SPDX-License-Identifier: MIT
//
// bind_context in Qt 6: QtConcurrent, futures, queued calls and signals.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <QCoreApplication>
#include <QEventLoop>
#include <QFuture>
#include <QMetaObject>
#include <QObject>
#include <QPromise>
#include <QThread>
#include <QThreadPool>
#include <QTimer>
#include <QtConcurrent>

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::NothingLeaks;

namespace {

cv::ContextVar<int> request{"request", 0};
cv::ContextVar<std::shared_ptr<Counted>> held{"held"};

class QtTest : public contextvars_tests::Isolated {
protected:
    void process() { QCoreApplication::processEvents(); }

private:
    int argc_ = 1;
    char name_[5] = "test";
    char* argv_[2] = {name_, nullptr};
    QCoreApplication application_{argc_, argv_};
};

/// An object that lives in another thread, with a signal and a slot.
class Worker : public QObject {
    Q_OBJECT

public slots:
    void slot() { in_slot = request.get(); }
signals:
    void fired();

public:
    std::atomic<int> in_slot = -1;
};

/// A thread with an event loop, whose own context has a request as well.
class loop_thread {
public:
    loop_thread() { thread_.start(); }
    loop_thread(const loop_thread&) = delete;
    loop_thread& operator=(const loop_thread&) = delete;
    ~loop_thread() {
        thread_.quit();
        thread_.wait();
    }
    QThread& get() { return thread_; }

private:
    QThread thread_;
};

} // namespace

TEST_F(QtTest, run_calls_in_the_context_of_its_caller) {
    const auto scope = request.scoped(1);
    std::vector<QFuture<int>> futures;
    for (int i = 0; i < 100; ++i) {
        const auto inner = request.scoped(i);
        futures.push_back(QtConcurrent::run(cv::bind_context([] { return request.get(); })));
    }
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(), i);
    EXPECT_EQ(
        QtConcurrent::run(cv::bind_context([](int x) { return x + request.get(); }), 10).result(),
        11);
}

// A thread that waits for a result runs the call itself, if the pool has not begun with it.
TEST_F(QtTest, a_waiting_thread_that_runs_the_call_itself_does_it_in_the_calls_context) {
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    std::latch begun(1);
    std::latch go_on(1);
    const QFuture<void> blocks = QtConcurrent::run(&pool, [&] {
        begun.count_down();
        go_on.wait();
    });
    begun.wait();
    const auto call = [&](bool binds) {
        const auto scope = request.scoped(1);
        const auto f = [] { return request.get(); };
        return binds ? QtConcurrent::run(&pool, cv::bind_context(f)) : QtConcurrent::run(&pool, f);
    };
    QFuture<int> bound = call(true);
    QFuture<int> unbound = call(false);
    const auto scope = request.scoped(2);
    EXPECT_EQ(bound.result(), 1);
    EXPECT_EQ(unbound.result(), 2) << "the wrong way";
    EXPECT_EQ(request.get(), 2);
    go_on.count_down();
}

TEST_F(QtTest, run_with_a_promise_does_so_too) {
    const auto scope = request.scoped(5);
    const QFuture<int> future = QtConcurrent::run(cv::bind_context([](QPromise<int>& promise) {
        promise.addResult(request.get());
        promise.addResult(request.get() + 1);
    }));
    EXPECT_EQ(future.results(), (QList<int>{5, 6}));
}

TEST_F(QtTest, continuations_run_in_the_context_in_which_they_were_attached) {
    QPromise<int> promise;
    promise.start();
    std::atomic<int> after = 0;
    std::atomic<int> failed = 0;
    std::atomic<int> unbound = 0;
    QFuture<void> end = [&] {
        const auto scope = request.scoped(3);
        return promise.future()
            .then(cv::bind_context([&](int value) {
                after = request.get() + value;
                throw std::runtime_error("failed");
            }))
            .onFailed(cv::bind_context([&](const std::runtime_error&) { failed = request.get(); }))
            .then(
                [&] { unbound = request.get(); }); // the wrong way: who completes lends its context
    }();
    std::thread([&] {
        const auto scope = request.scoped(4);
        promise.addResult(10);
        promise.finish();
    }).join();
    end.waitForFinished();
    EXPECT_EQ(after, 13);
    EXPECT_EQ(failed, 3);
    EXPECT_EQ(unbound, 4);
}

TEST_F(QtTest, a_queued_call_runs_in_the_context_of_who_queued_it) {
    loop_thread other;
    Worker worker;
    worker.moveToThread(&other.get());
    std::atomic<int> seen = -1;
    {
        const auto scope = request.scoped(6);
        QMetaObject::invokeMethod(&worker, cv::bind_context([&] { seen = request.get(); }),
                                  Qt::QueuedConnection);
    }
    QMetaObject::invokeMethod(&worker, [] {}, Qt::BlockingQueuedConnection); // after it
    EXPECT_EQ(seen, 6);
    const auto scope = request.scoped(7);
    int blocking = 0;
    QMetaObject::invokeMethod(&worker, cv::bind_context([&] { blocking = request.get(); }),
                              Qt::BlockingQueuedConnection);
    EXPECT_EQ(blocking, 7);
}

TEST_F(QtTest, a_signal_carries_the_context_of_who_connected) {
    loop_thread other;
    Worker worker;
    worker.moveToThread(&other.get());
    Worker sender;
    std::atomic<int> bound = -1;
    {
        const auto scope = request.scoped(8);
        QObject::connect(&sender, &Worker::fired, &worker,
                         cv::bind_context([&] { bound = request.get(); }));
    }
    QObject::connect(&sender, &Worker::fired, &worker, &Worker::slot);
    const auto scope = request.scoped(9);
    emit sender.fired();
    QMetaObject::invokeMethod(&worker, [] {}, Qt::BlockingQueuedConnection);
    EXPECT_EQ(bound, 8);
    EXPECT_EQ(worker.in_slot, 0) << "a plain slot runs in the context of its thread's loop";
}

TEST_F(QtTest, a_signal_that_is_sent_by_a_queued_call_carries_the_context_of_who_sends) {
    loop_thread other;
    Worker worker;
    worker.moveToThread(&other.get());
    Worker sender;
    QObject::connect(&sender, &Worker::fired, &sender, [&] { // in the sender's thread, at once
        QMetaObject::invokeMethod(&worker, cv::bind_context([&] { worker.slot(); }),
                                  Qt::QueuedConnection);
    });
    const auto scope = request.scoped(9);
    emit sender.fired();
    QMetaObject::invokeMethod(&worker, [] {}, Qt::BlockingQueuedConnection);
    EXPECT_EQ(worker.in_slot, 9);
}

TEST_F(QtTest, timers_and_the_pool_take_what_is_bound) {
    QEventLoop loop;
    int in_timer = 0;
    {
        const auto scope = request.scoped(2);
        QTimer::singleShot(0, &loop, cv::bind_context([&] {
                               in_timer = request.get();
                               loop.quit();
                           }));
    }
    loop.exec();
    EXPECT_EQ(in_timer, 2);
    QThreadPool pool;
    std::atomic<int> in_pool = 0;
    const auto scope = request.scoped(3);
    pool.start(cv::bind_context([&] { in_pool = request.get(); }));
    pool.waitForDone();
    EXPECT_EQ(in_pool, 3);
}

TEST_F(QtTest, what_qt_never_calls_keeps_no_value_alive) {
    const NothingLeaks checks;
    {
        const auto scope = held.scoped(std::make_shared<Counted>());
        QObject receiver;
        QTimer timer;
        QObject::connect(&timer, &QTimer::timeout, &receiver,
                         cv::bind_context([] { ADD_FAILURE(); }));
        timer.start(1000000);
        QMetaObject::invokeMethod(&receiver, cv::bind_context([] { ADD_FAILURE(); }),
                                  Qt::QueuedConnection);
    }
    process();
    EXPECT_TRUE(checks.holds());
}

#include "qt6.test.moc"
