// SPDX-License-Identifier: MIT
//
// Two transfers at once, of two users. What arrives is written, and counted, in the context of its user.
#include <contextvars/contextvars.hpp>

#include <curl/curl.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include <unistd.h>

namespace {

struct account {
    std::string name;
    std::size_t bytes = 0;
    std::size_t progress = 0;
};
contextvars::ContextVar<std::shared_ptr<account>> current{"account"};

// [transfer]
/// A transfer that pays for its bytes with the account that was current when it was made.
class transfer {
public:
    explicit transfer(const std::string& url) : curl_(curl_easy_init(), curl_easy_cleanup) {
        CURL* const curl = curl_.get();
        curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
        // The data is the last argument …
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_.function());
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, write_.data());
        // … and here the first one.
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress_.function());
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, progress_.data());
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    }

    CURL* get() const { return curl_.get(); }

private:
    contextvars::Callback<std::size_t(char*, std::size_t, std::size_t, void*)> write_ =
        contextvars::as_callback<curl_write_callback>(
            [](const char*, std::size_t size, std::size_t count) {
                current.get()->bytes += size * count;
                return size * count;
            });
    contextvars::Callback<int(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t)> progress_ =
        contextvars::as_callback<curl_xferinfo_callback>(
            [](curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
                ++current.get()->progress;
                return 0;
            });
    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>
        curl_; // goes first: from then on nobody calls
};
// [/transfer]

std::string file_of(const char* name, std::size_t bytes) {
    const std::string path = std::string(name);
    std::FILE* const file = std::fopen(path.c_str(), "w");
    std::fputs(std::string(bytes, 'x').c_str(), file);
    std::fclose(file);
    return path;
}

} // namespace

int main() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const auto ann = std::make_shared<account>(account{"ann"});
    const auto bob = std::make_shared<account>(account{"bob"});
    char here[4096];
    const std::string directory = "file://" + std::string(getcwd(here, sizeof here)) + "/";
    const std::string small = file_of("curl_file_small.tmp", 1000);
    const std::string large = file_of("curl_file_large.tmp", 200000);
    {
        const auto make = [&](const std::shared_ptr<account>& who, const std::string& file) {
            const auto scope = current.scoped(who);
            return std::make_unique<transfer>(directory + file);
        };
        const auto of_ann = make(ann, small);
        const auto of_bob = make(bob, large);
        const std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi(curl_multi_init(),
                                                                          curl_multi_cleanup);
        curl_multi_add_handle(multi.get(), of_ann->get());
        curl_multi_add_handle(multi.get(), of_bob->get());
        int running = 2;
        while (running != 0 && curl_multi_perform(multi.get(), &running) == CURLM_OK)
            curl_multi_poll(multi.get(), nullptr, 0, 100, nullptr);
        curl_multi_remove_handle(multi.get(), of_ann->get());
        curl_multi_remove_handle(multi.get(), of_bob->get());
    }
    for (const auto& each : {ann, bob})
        std::printf("%s: %zu bytes, %s\n", each->name.c_str(), each->bytes,
                    each->progress != 0 ? "told of progress" : "never told of progress");
    std::remove(small.c_str());
    std::remove(large.c_str());
    curl_global_cleanup();
}
