// SPDX-License-Identifier: MIT
//
// as_callback in libcurl, which has the data of some functions last and of others first. Files stand for servers.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <curl/curl.h>

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::NothingLeaks;

namespace {

cv::ContextVar<int> request{"request", 0};
cv::ContextVar<std::shared_ptr<Counted>> held{"held"};

using write_type = cv::Callback<std::size_t(char*, std::size_t, std::size_t, void*)>;

class LibcurlTest : public contextvars_tests::Isolated {
protected:
    LibcurlTest() {
        const int file = mkstemp(path.data());
        EXPECT_NE(file, -1);
        close(file);
        std::ofstream(path) << std::string(100000, 'x');
    }
    ~LibcurlTest() override { std::remove(path.c_str()); }

    using easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
    easy make(const write_type& write) {
        easy curl(curl_easy_init(), curl_easy_cleanup);
        curl_easy_setopt(curl.get(), CURLOPT_URL, ("file://" + path).c_str());
        curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, write.function());
        curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, write.data());
        return curl;
    }

    std::string path = ::testing::TempDir() + "contextvars_curl_XXXXXX";
};

} // namespace

TEST_F(LibcurlTest, what_arrives_is_written_in_the_context_of_who_asked_for_it) {
    std::vector<std::size_t> bytes(3);
    std::vector<write_type> writes;
    std::vector<easy> transfers;
    for (int i = 0; i < 3; ++i) {
        const auto scope = request.scoped(i);
        writes.push_back(
            cv::as_callback<curl_write_callback>([&](char*, std::size_t size, std::size_t count) {
                bytes[static_cast<std::size_t>(request.get())] += size * count;
                return size * count;
            }));
        transfers.push_back(make(writes.back()));
    }
    const auto scope = request.scoped(100);
    const std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi(curl_multi_init(),
                                                                      curl_multi_cleanup);
    for (const easy& each : transfers)
        curl_multi_add_handle(multi.get(), each.get());
    int running = 3;
    while (running != 0 && curl_multi_perform(multi.get(), &running) == CURLM_OK)
        curl_multi_poll(multi.get(), nullptr, 0, 100, nullptr);
    for (const easy& each : transfers)
        curl_multi_remove_handle(multi.get(), each.get());
    EXPECT_EQ(bytes, (std::vector<std::size_t>{100000, 100000, 100000}));
    EXPECT_EQ(request.get(), 100);
}

TEST_F(LibcurlTest, progress_has_its_data_first) {
    bool told = false;
    const auto write = cv::as_callback<curl_write_callback>(
        [](char*, std::size_t size, std::size_t count) { return size * count; });
    const auto progress = [&] {
        const auto scope = request.scoped(4);
        return cv::as_callback<curl_xferinfo_callback>(
            [&](curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
                told = request.get() == 4;
                return 0;
            });
    }();
    const easy curl = make(write);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, progress.function());
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, progress.data());
    curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
    EXPECT_EQ(curl_easy_perform(curl.get()), CURLE_OK);
    EXPECT_TRUE(told);
}

TEST_F(LibcurlTest, a_result_of_the_callable_reaches_the_library) {
    const auto write = cv::as_callback<curl_write_callback>(
        [](char*, std::size_t, std::size_t) { return std::size_t{0}; });
    EXPECT_EQ(curl_easy_perform(make(write).get()), CURLE_WRITE_ERROR);
}

TEST_F(LibcurlTest, a_callback_of_a_transfer_that_never_starts_is_freed_with_its_object) {
    const NothingLeaks checks;
    {
        const auto scope = held.scoped(std::make_shared<Counted>());
        const auto write = cv::as_callback<curl_write_callback>(
            [c = Counted()](char*, std::size_t, std::size_t) { return std::size_t{0}; });
        const easy curl = make(write);
    }
    EXPECT_TRUE(checks.holds());
}
