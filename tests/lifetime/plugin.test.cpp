// SPDX-License-Identifier: MIT
//
// Plug-ins that are closed while contexts hold values of their types.
#include "lifetime/plugin.hpp"

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <sstream>
#include <string>
#include <thread>

namespace cv = contextvars;
using PluginTest = contextvars_tests::Isolated;

contextvars::ContextVar<std::string>& programs_variable() {
    static cv::ContextVar<std::string> variable{"program", "-"};
    return variable;
}

void wait_for_a_thread_that_binds() {
    std::thread([] {
        static cv::ContextVar<std::string> first{"bound for the first time"};
        first.set("while a module is being loaded");
        static cv::ContextVar<int> number{"a number"}; // whose type's name lies in the C++ library
        number.set(1);
    }).join();
}

namespace {

class Plugin {
public:
    explicit Plugin(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        EXPECT_NE(handle_, nullptr) << dlerror();
    }
    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;
    ~Plugin() { close(); }

    template <class Function>
    Function* function(const char* name) const {
        return reinterpret_cast<Function*>(dlsym(handle_, name));
    }
    void close() {
        if (handle_ != nullptr) {
            dlclose(handle_);
        }
        handle_ = nullptr;
    }
    static bool is_loaded(const char* path) {
        void* const handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
        if (handle != nullptr) {
            dlclose(handle);
        }
        return handle != nullptr;
    }

private:
    void* handle_;
};

std::string printed(const cv::Context& context) {
    std::ostringstream out;
    out << context;
    return out.str();
}

} // namespace

TEST_F(PluginTest, that_is_closed_leaves_values_that_print_compare_and_end) {
    cv::Context a;
    cv::Context b;
    {
        const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN);
        for (auto* context : {&a, &b}) {
            context->run([&] {
                programs_variable().set("bound before");
                plugin.function<void()>("bind_variables")();
            });
        }
    }
    EXPECT_TRUE(a == b);
    EXPECT_CONTAINS(printed(a), "plugin.session=a session whose text is on the heap");
    EXPECT_CONTAINS(printed(a), "plugin.count=7");
    EXPECT_CONTAINS(printed(a), "program='set by the plug-in");
    a = cv::Context();
    b = cv::Context();
}

TEST_F(PluginTest, that_sets_a_variable_of_the_programs_leaves_no_operations_of_its_own) {
    // Not kept, since it binds no variable of its own: its copy of the operations of std::string goes.
    programs_variable().set("bound before");
    cv::Context context;
    {
        const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN_THAT_SETS);
        context.run([&] { plugin.function<void()>("set_variables")(); });
    }
    EXPECT_FALSE(Plugin::is_loaded(CONTEXTVARS_TESTS_PLUGIN_THAT_SETS));
    EXPECT_CONTAINS(printed(context), "program='set by a plug-in");
    context = cv::Context();
}

TEST_F(PluginTest, that_only_reads_is_unloaded) {
    {
        const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN_THAT_READS);
        EXPECT_EQ(plugin.function<int()>("read_variables")(), 2);
    }
    EXPECT_FALSE(Plugin::is_loaded(CONTEXTVARS_TESTS_PLUGIN_THAT_READS));
}

TEST_F(PluginTest, is_opened_and_closed_ten_thousand_times) {
    const contextvars_tests::RecordedDiagnostics diagnostics;
    cv::Context context;
    for (int i = 0; i < 10'000; ++i) {
        const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN);
        context.run([&] { plugin.function<void()>("bind_variables")(); });
        const Plugin reader(CONTEXTVARS_TESTS_PLUGIN_THAT_READS);
        ASSERT_EQ(reader.function<int()>("read_variables")(), 2);
    }
    EXPECT_EQ(context.size(), 3u);
    EXPECT_TRUE(diagnostics.empty());
}

TEST_F(PluginTest, may_bind_while_it_is_being_loaded) {
    alarm(60);
    cv::Context context;
    context.run([] { const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN_THAT_BINDS_WHILE_LOADED); });
    EXPECT_CONTAINS(printed(context), "plugin.session=bound while the module is being loaded");
    alarm(0);
}

TEST_F(PluginTest, may_wait_while_it_is_being_loaded_for_a_thread_that_binds) {
    alarm(60); // against a deadlock: the thread must not wait for the loader
    const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN_THAT_WAITS_WHILE_LOADED);
    alarm(0);
}

TEST_F(PluginTest, may_be_loaded_while_other_threads_bind_for_the_first_time) {
    alarm(60);
    std::atomic<bool> stop = false;
    std::latch busy(1);
    std::thread binds([&] {
        busy.count_down();
        while (!stop) {
            cv::ContextVar<std::string> v{"v"};
            v.set("x");
        }
    });
    busy.wait();
    for (int i = 0; i < 200; ++i) {
        const Plugin plugin(CONTEXTVARS_TESTS_PLUGIN_THAT_READS);
        const Plugin binding(CONTEXTVARS_TESTS_PLUGIN_THAT_BINDS_WHILE_LOADED);
    }
    stop = true;
    binds.join();
    alarm(0);
}
