// SPDX-License-Identifier: MIT
//
// Python called from coroutines and handlers of Asio.
#include <contextvars/asio.hpp>
#include <contextvars/python/pybind11.hpp>

#include CONTEXTVARS_ASIO_HEADER(post.hpp)
#include CONTEXTVARS_ASIO_HEADER(thread_pool.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_awaitable.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_future.hpp)

#include <future>
#include <string>
#include <vector>

namespace py = pybind11;
namespace python = contextvars::python;
namespace net = contextvars::net;

namespace {

contextvars::ContextVar<std::string> name{"name", "nobody"};

void call(const py::function& function) {
    const py::gil_scoped_acquire gil;
    const python::python_scope scope;
    function();
}

/// Its callback sees and changes the coroutine's context, on whatever thread it goes on.
contextvars::awaitable<std::string> work(std::string own, const py::function& function) {
    auto token = name.set(own);
    for (int i = 0; i != 3; ++i) {
        call(function);
        co_await net::post(net::use_awaitable);
    }
    std::string result = name.get();
    name.reset(token);
    co_return result + " of " + name.get();
}

} // namespace

PYBIND11_MODULE(bridged_asio, module) {
    python::expose(module, "name", name);
    module.def(
        "run_coroutines",
        [](int count, const py::function& function) {
            net::thread_pool pool(4);
            std::vector<std::future<std::string>> results;
            for (int i = 0; i != count; ++i)
                results.push_back(contextvars::co_spawn(
                    pool, work("n" + std::to_string(i), function), net::use_future));
            std::vector<std::string> strings;
            for (auto& result : results)
                strings.push_back(result.get());
            std::string all;
            for (const std::string& string : strings)
                all += string + "\n";
            return all;
        },
        py::call_guard<python::call_scope, py::gil_scoped_release>());
    module.def(
        "post",
        [](const py::function& function) {
            net::thread_pool pool(1);
            const python::python_context context;
            net::post(pool, contextvars::bind_context([&, context] {
                          const py::gil_scoped_acquire gil;
                          const python::python_scope scope(context);
                          function();
                      }));
            const py::gil_scoped_release released;
            pool.join();
        },
        py::call_guard<python::call_scope>());
}
