// SPDX-License-Identifier: MIT
//
// Installs a diagnostics hook that remembers what it was told, for as long as it lives.
#ifndef CONTEXTVARS_TESTS_SUPPORT_RECORDED_DIAGNOSTICS_HPP
#define CONTEXTVARS_TESTS_SUPPORT_RECORDED_DIAGNOSTICS_HPP

#include <contextvars/contextvars.hpp>

#include <mutex>
#include <string>
#include <vector>

namespace contextvars_tests {

class RecordedDiagnostics {
public:
    struct Record {
        contextvars::diagnostic_kind kind;
        std::string what;
        std::string variable;
        const void* context;
    };

    RecordedDiagnostics() {
        records_.clear();
        before_ = contextvars::set_diagnostics_hook(&record);
    }
    ~RecordedDiagnostics() { contextvars::set_diagnostics_hook(before_); }
    RecordedDiagnostics(const RecordedDiagnostics&) = delete;
    RecordedDiagnostics& operator=(const RecordedDiagnostics&) = delete;

    std::vector<Record> all() const {
        const std::lock_guard lock(mutex_);
        return records_;
    }
    bool empty() const { return all().empty(); }

private:
    static void record(const contextvars::diagnostic& d) noexcept {
        const std::lock_guard lock(mutex_);
        records_.push_back({d.kind, std::string(d.what), std::string(d.variable), d.context});
    }

    static inline std::mutex mutex_;
    static inline std::vector<Record> records_;
    contextvars::diagnostics_hook before_;
};

} // namespace contextvars_tests

#endif
