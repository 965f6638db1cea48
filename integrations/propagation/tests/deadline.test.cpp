// SPDX-License-Identifier: MIT
#include <contextvars/propagation/deadline.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

using namespace contextvars::propagation;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

TEST(Deadline, of_none_is_later_than_all_others) {
    const deadline none;
    const deadline soon = deadline::after(1s);
    EXPECT_FALSE(none);
    EXPECT_TRUE(soon);
    EXPECT_LT(soon, none);
    EXPECT_EQ(std::min(none, soon), soon);
    EXPECT_FALSE(none.passed());
    EXPECT_EQ(none.left(), deadline::clock::duration::max());
}

TEST(Deadline, that_has_passed_leaves_nothing_and_no_less) {
    const auto now = deadline::clock::now();
    const deadline past = deadline::after(-1h, now);
    EXPECT_TRUE(past.passed(now));
    EXPECT_EQ(past.left(now), 0ns);
    EXPECT_TRUE(deadline::after(0ns, now).passed(now));
    EXPECT_FALSE(deadline::after(1ns, now).passed(now));
    EXPECT_EQ(deadline::after(1ns, now).left(now), 1ns);
}

TEST(Deadline, farther_than_the_clock_can_tell_is_none) {
    EXPECT_FALSE(deadline::after(nanoseconds::max()));
    EXPECT_FALSE(deadline::after(*parse_grpc_timeout("99999999H")));
}

TEST(Deadline, prints_what_is_left) {
    std::ostringstream out;
    out << deadline() << ", " << deadline::after(-1s);
    EXPECT_EQ(out.str(), "none, 0 ms");
}

struct vector {
    const char* source;
    std::string text;
    nanoseconds left; ///< negative: malformed
};

constexpr nanoseconds wrong{-1};

TEST(Deadline, of_grpc_is_read_as_the_vectors_say) {
    const vector vectors[] = {
        {"gRPC over HTTP/2", "1H", 1h},
        {"gRPC over HTTP/2", "2M", 2min},
        {"gRPC over HTTP/2", "3S", 3s},
        {"gRPC over HTTP/2", "4m", 4ms},
        {"gRPC over HTTP/2", "5u", 5us},
        {"gRPC over HTTP/2", "6n", 6ns},
        {"gRPC over HTTP/2", "99999999S", 99999999s},
        {"gRPC core timeout_encoding_test", " 10u", 10us},
        {"gRPC core timeout_encoding_test", "10u ", 10us},
        {"gRPC core timeout_encoding_test", "0S", 0s},
        {"gRPC core timeout_encoding_test", "", wrong},
        {"gRPC core timeout_encoding_test", " ", wrong},
        {"gRPC core timeout_encoding_test", "x", wrong},
        {"gRPC core timeout_encoding_test", "1", wrong},
        {"gRPC core timeout_encoding_test", "1x", wrong},
        {"gRPC core timeout_encoding_test", "10ux", wrong},
        {"gRPC core timeout_encoding_test", "!", wrong},
        {"gRPC core timeout_encoding_test", "n1", wrong},
        {"gRPC core timeout_encoding_test", "100000000m", wrong},
        {"gRPC-Go TestTimeoutDecode", "1234567890S", wrong},
        {"gRPC-Go TestTimeoutDecode", "S", wrong},
        {"gRPC-Go TestTimeoutDecode", "-1S", wrong},
        {"inner space", "1 S", wrong},
        {"hours beyond the longest duration", "99999999H", nanoseconds::max()},
    };
    for (const vector& v : vectors) {
        const auto read = parse_grpc_timeout(v.text);
        EXPECT_EQ(read ? *read : wrong, v.left) << v.source << ": '" << v.text << "'";
    }
}

TEST(Deadline, is_written_for_grpc_with_eight_digits_at_most_and_never_more_than_is_left) {
    for (const auto& [left, text] : {std::pair<nanoseconds, const char*>{1ns, "1n"},
                                     {99'999'999ns, "99999999n"},
                                     {100'000'000ns, "100000u"},
                                     {1'500'000'999ns, "1500000u"},
                                     {24h, "86400000m"},
                                     {nanoseconds::max(), "2562047H"}})
        EXPECT_EQ(to_grpc_timeout(left), text);
    for (nanoseconds left = 1ns; left < nanoseconds::max() / 8; left = left * 3 + 1ns) {
        const std::string text = to_grpc_timeout(left);
        const auto read = parse_grpc_timeout(text);
        ASSERT_TRUE(read) << text;
        EXPECT_LE(*read, left);
        EXPECT_GT(*read, 0ns);
        EXPECT_GE(*read, left - left / 25'000) << text; // no more than that is lost
    }
}

TEST(Deadline, of_envoy_is_read_as_the_vectors_say) {
    const vector vectors[] = {
        {"Envoy", "1", 1ms},
        {"Envoy", "15000", 15s},
        {"Envoy", " 250\t", 250ms},
        {"zero stands for no limit", "0", wrong},
        {"zero stands for no limit", "000", wrong},
        {"a sign", "-1", wrong},
        {"a sign", "+1", wrong},
        {"a fraction", "1.5", wrong},
        {"a unit", "1ms", wrong},
        {"nothing", "", wrong},
        {"sixteen digits", "1000000000000000", wrong},
        {"fifteen digits", "999999999999999", nanoseconds::max()},
    };
    for (const vector& v : vectors) {
        const auto read = parse_envoy_timeout(v.text);
        EXPECT_EQ(read ? *read : wrong, v.left) << v.source << ": '" << v.text << "'";
    }
}

TEST(Deadline, is_written_for_envoy_in_milliseconds_but_never_as_zero) {
    EXPECT_EQ(to_envoy_timeout(1ns), "1");
    EXPECT_EQ(to_envoy_timeout(999'999ns), "1");
    EXPECT_EQ(to_envoy_timeout(1'999'999ns), "1");
    EXPECT_EQ(to_envoy_timeout(2s), "2000");
    EXPECT_TRUE(parse_envoy_timeout(to_envoy_timeout(nanoseconds::max())));
}

} // namespace
