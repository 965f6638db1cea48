// SPDX-License-Identifier: MIT
//
// Two users' work on QtConcurrent's pool, whose results are shown by the event loop. Each line knows its user.
#include <contextvars/contextvars.hpp>

#include <QCoreApplication>
#include <QFuture>
#include <QPromise>
#include <QtConcurrent>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using contextvars::bind_context;
contextvars::ContextVar<std::string> user{"user", "nobody"};

void log(const char* what, int number) {
    std::printf("%s: %s %d\n", user.get().c_str(), what, number);
}

QFuture<void> serve(QObject* receiver, const char* name, int number) {
    const auto scope = user.scoped(name);
    // [run]
    return QtConcurrent::run(
               bind_context([number](QPromise<int>& promise) { // on a thread of the pool
                   if (number < 0)
                       throw std::invalid_argument("negative");
                   promise.addResult(number + static_cast<int>(user.get().size()));
               }))
        .then(receiver,
              bind_context([](int result) { log("got", result); })) // in the receiver's thread
        .onFailed(receiver, bind_context([] { log("failed", 0); }));
    // [/run]
}

} // namespace

int main(int argc, char** argv) {
    const QCoreApplication application(argc, argv);
    for (const auto& [name, number] : {std::pair{"ann", 10}, {"robert", 20}, {"ann", -1}}) {
        const QFuture<void> done = serve(QCoreApplication::instance(), name, number);
        while (!done.isFinished())
            QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents, 100);
    }
    // [invoke]
    const auto scope = user.scoped("ann");
    QMetaObject::invokeMethod(QCoreApplication::instance(), bind_context([] {
                                  log("queued", 1);
                                  QCoreApplication::quit();
                              }),
                              Qt::QueuedConnection);
    // [/invoke]
    return QCoreApplication::exec();
}
