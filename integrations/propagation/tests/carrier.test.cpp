// SPDX-License-Identifier: MIT
#include <contextvars/propagation.hpp>

#include <contextvars/contextvars.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace contextvars::propagation;
using namespace std::chrono_literals;
using contextvars::Context;
using contextvars::ContextVar;

namespace {

const std::string parent_text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const std::string b3_text = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1";
const std::string envoy = "x-envoy-expected-rq-timeout-ms";

using map_type = std::multimap<std::string, std::string>;

Context extracted(map_type message, const edge& how = {}) {
    return extract(string_map(message), how);
}

/// What a message of the context's has.
map_type injected(Context context, const headers& which = {}) {
    map_type message;
    context.run([&] { inject(string_map(message), which); });
    return message;
}

map_type hop(const map_type& message, const edge& how = {.trust_baggage = true},
             const headers& which = {}) {
    return injected(extracted(message, how), which);
}

/// Remembers what was dropped, while it lives.
class Drops {
public:
    Drops() {
        seen_.clear();
        before_ = set_dropped_hook([](const dropped& d) noexcept {
            seen_.push_back(std::string(d.header) + ": " + std::string(words(d.reason)));
        });
    }
    ~Drops() { set_dropped_hook(before_); }
    Drops(const Drops&) = delete;
    Drops& operator=(const Drops&) = delete;
    std::vector<std::string> all() const { return seen_; }
    static std::string of(const char* header, fault reason) {
        return std::string(header) + ": " + std::string(words(reason));
    }

private:
    static inline std::vector<std::string> seen_;
    dropped_hook before_;
};

TEST(Carrier, of_nothing_brings_nothing_and_gets_nothing) {
    const Context context = extracted({});
    EXPECT_FALSE(context.contains(current_trace));
    EXPECT_TRUE(injected(context).empty());
    EXPECT_TRUE(injected(Context()).empty());
}

TEST(Carrier, passes_trace_state_and_baggage_on_byte_for_byte) {
    const map_type message = {{"traceparent", parent_text},
                              {"tracestate", "rojo=00f067aa0ba902b7,congo=  t61rcWkgMzE"},
                              {"baggage", "a=1;p;q=%2c,b=%41,a=2+3,c="}};
    EXPECT_EQ(hop(message), message);
}

TEST(Carrier, joins_the_lines_of_state_and_baggage_in_their_order) {
    const map_type message = {{"traceparent", parent_text},
                              {"tracestate", "a=1"},
                              {"tracestate", "b=2"},
                              {"baggage", "a=1"},
                              {"baggage", "b=2"}};
    const map_type next = hop(message);
    EXPECT_EQ(next.find("tracestate")->second, "a=1,b=2");
    EXPECT_EQ(next.find("baggage")->second, "a=1,b=2");
    EXPECT_EQ(next.size(), 3u);
}

TEST(Carrier, with_an_invalid_traceparent_brings_no_trace_and_no_state) {
    for (const auto& [bad, reason] :
         {std::pair{parent_text + "0", fault::malformed},
          std::pair{std::string(), fault::malformed},
          std::pair{"ff" + parent_text.substr(2), fault::bad_version}}) {
        const Drops drops;
        const map_type next =
            hop({{"traceparent", bad}, {"tracestate", "a=1"}, {"baggage", "b=2"}});
        EXPECT_EQ(next, (map_type{{"baggage", "b=2"}})) << bad;
        EXPECT_EQ(drops.all(), (std::vector{Drops::of("traceparent", reason),
                                            Drops::of("tracestate", fault::without_parent)}));
    }
}

TEST(Carrier, with_two_traceparents_brings_no_trace) {
    // JavaScript takes the first one.
    const Drops drops;
    EXPECT_TRUE(hop({{"traceparent", parent_text}, {"traceparent", parent_text}}).empty());
    EXPECT_EQ(drops.all(), std::vector{Drops::of("traceparent", fault::repeated)});
}

TEST(Carrier, with_a_tracestate_alone_brings_nothing) {
    const Drops drops;
    EXPECT_TRUE(hop({{"tracestate", "a=1"}}).empty());
    EXPECT_EQ(drops.all(), std::vector{Drops::of("tracestate", fault::without_parent)});
}

TEST(Carrier, with_an_invalid_state_brings_the_trace) {
    const Drops drops;
    EXPECT_EQ(hop({{"traceparent", parent_text}, {"tracestate", "a=1,B=2"}}),
              (map_type{{"traceparent", parent_text}}));
    EXPECT_EQ(drops.all(), std::vector{Drops::of("tracestate", fault::malformed)});
}

TEST(Carrier, brings_nothing_of_the_context_in_which_it_is_read) {
    // Never the trace or the baggage of somebody else: the server's own, or another request's.
    Context mine =
        extracted({{"traceparent", parent_text}, {"tracestate", "a=1"}, {"baggage", "b=2"}},
                  {.trust_baggage = true});
    mine.run([] {
        EXPECT_TRUE(injected(extracted({})).empty());
        EXPECT_TRUE(injected(extracted({{"traceparent", "invalid"}})).empty());
    });
}

TEST(Carrier, leaves_the_program_s_own_variables_as_they_are) {
    static const ContextVar<int> own{"own"};
    Context().run([] {
        own.set(7);
        EXPECT_EQ(extracted({{"traceparent", parent_text}})[own], 7);
        EXPECT_FALSE(current_trace.get());
    });
}

TEST(Carrier, starts_a_trace_that_is_not_sampled_if_the_edge_says_so) {
    const edge starts{.start_trace = true};
    for (const map_type& message :
         {map_type{}, map_type{{"traceparent", "invalid"}, {"tracestate", "a=1"}}}) {
        const trace_parent parent = extracted(message, starts)[current_trace];
        EXPECT_TRUE(parent);
        EXPECT_TRUE(parent.random());
        EXPECT_FALSE(parent.sampled());
    }
    EXPECT_EQ(hop({{"traceparent", parent_text}}, starts),
              (map_type{{"traceparent", parent_text}}));
}

TEST(Carrier, drops_baggage_that_the_edge_does_not_trust) {
    const Drops drops;
    EXPECT_TRUE(hop({{"baggage", "a=1"}, {"baggage", "b=2"}}, {}).empty());
    EXPECT_EQ(drops.all(), std::vector{Drops::of("baggage", fault::untrusted)});
}

TEST(Carrier, reports_members_of_the_baggage_that_were_dropped) {
    static std::size_t count;
    count = 0;
    const dropped_hook before =
        set_dropped_hook([](const dropped& d) noexcept { count += d.count; });
    EXPECT_EQ(hop({{"baggage", "a,b,c=1,d"}}), (map_type{{"baggage", "c=1"}}));
    set_dropped_hook(before);
    EXPECT_EQ(count, 3u);
}

TEST(Carrier, gets_no_header_that_it_has_and_none_that_belongs_to_it) {
    Context context =
        extracted({{"traceparent", parent_text}, {"tracestate", "a=1"}, {"baggage", "b=2"}},
                  {.trust_baggage = true});
    context.run([] {
        const auto limit = limit_deadline(10s);
        map_type message = {
            {"traceparent", "mine"}, {"baggage", "mine"}, {envoy, "7"}, {"x-b3-sampled", "0"}};
        const map_type before = message;
        EXPECT_TRUE(inject(string_map(message), {.b3_multi = true}));
        EXPECT_EQ(message, before);
    });
}

TEST(Carrier, of_B3_is_read_if_the_edge_says_so_and_there_is_no_traceparent) {
    const map_type single = {{"b3", b3_text}};
    const map_type multi = {{"x-b3-traceid", b3_text.substr(0, 32)},
                            {"x-b3-spanid", b3_text.substr(33, 16)},
                            {"x-b3-sampled", "1"}};
    const edge b3{.b3 = true};
    EXPECT_TRUE(hop(single, {}).empty());
    EXPECT_EQ(hop(single, b3), (map_type{{"traceparent", parent_text}}));
    EXPECT_EQ(hop(multi, b3), (map_type{{"traceparent", parent_text}}));
    EXPECT_EQ(hop(multi, b3, {.w3c = false, .b3_single = true}), single);
    EXPECT_EQ(hop(single, b3, {.w3c = false, .b3_multi = true}), multi);
    const std::string other = "00-11111111111111111111111111111111-2222222222222222-00";
    EXPECT_EQ(hop({{"b3", b3_text}, {"traceparent", other}}, b3),
              (map_type{{"traceparent", other}}));
    EXPECT_TRUE(hop({{"b3", b3_text}, {"traceparent", "invalid"}}, b3).empty());
    const Drops drops;
    EXPECT_TRUE(hop({{"b3", b3_text}, {"b3", b3_text}}, b3).empty());
    EXPECT_TRUE(hop({{"b3", "0"}}, b3).empty());
    EXPECT_EQ(drops.all(),
              (std::vector{Drops::of("b3", fault::repeated), Drops::of("b3", fault::malformed)}));
}

TEST(Carrier, gets_a_state_that_is_shortened_to_what_a_header_may_have) {
    std::string text;
    for (int i = 0; i != 32; ++i)
        text += (i == 0 ? "k" : ",k") + std::to_string(i) + "=" + std::string(256, 'v');
    ASSERT_GT(text.size(), trace_state::most_sent);
    const map_type next = hop({{"traceparent", parent_text}, {"tracestate", text}});
    const std::string& sent = next.find("tracestate")->second;
    EXPECT_LE(sent.size(), trace_state::most_sent);
    EXPECT_TRUE(text.starts_with(sent + ","));
}

// Deadlines.

TEST(CarrierDeadline, crosses_as_the_time_that_is_left) {
    Context context = extracted({{envoy, "60000"}});
    context.run([] {
        const auto left = current_deadline.get().left();
        EXPECT_LE(left, 60s);
        EXPECT_GT(left, 50s);
        map_type message;
        EXPECT_TRUE(inject(string_map(message), {.deadline = deadline_header::grpc}));
        ASSERT_EQ(message.count("grpc-timeout"), 1u);
        const auto sent = parse_grpc_timeout(message.find("grpc-timeout")->second);
        EXPECT_LE(*sent, left);
    });
}

TEST(CarrierDeadline, is_kept_over_hops_and_never_grows) {
    const edge by_grpc{.deadline = deadline_header::grpc};
    const headers as_grpc{.deadline = deadline_header::grpc};
    map_type message = {{"grpc-timeout", "10S"}};
    auto before = std::chrono::nanoseconds(10s);
    for (int i = 0; i != 5; ++i) {
        message = hop(message, by_grpc, as_grpc);
        const auto now = parse_grpc_timeout(message.find("grpc-timeout")->second);
        ASSERT_TRUE(now);
        EXPECT_LT(*now, before);
        before = *now;
    }
}

TEST(CarrierDeadline, is_extended_by_nobody) {
    Context context = extracted({{envoy, "1000"}});
    context.run([] {
        const deadline given = current_deadline.get();
        const auto longer = limit_deadline(1h);
        EXPECT_EQ(current_deadline.get(), given);
        const auto none = limit_deadline(deadline());
        EXPECT_EQ(current_deadline.get(), given);
        // A message that is read inside, as by a proxy, extends it neither.
        EXPECT_EQ(extracted({{envoy, "3600000"}})[current_deadline], given);
        EXPECT_EQ(extracted({})[current_deadline], given);
        const auto shorter = limit_deadline(1ms);
        EXPECT_LT(current_deadline.get(), given);
    });
}

TEST(CarrierDeadline, of_two_headers_is_the_earlier_one) {
    const Drops drops;
    for (const auto& [first, second] : {std::pair{"1000", "3600000"}, std::pair{"3600000", "1000"}})
        EXPECT_LE(extracted({{envoy, first}, {envoy, second}})[current_deadline].left(), 1s);
    EXPECT_EQ(drops.all().size(), 2u);
}

TEST(CarrierDeadline, is_inherited_by_children) {
    Context context = extracted({{envoy, "1000"}});
    context.run([] {
        const deadline given = current_deadline.get();
        contextvars::copy_context().run([&] { EXPECT_EQ(current_deadline.get(), given); });
        contextvars::thread([&] { EXPECT_EQ(current_deadline.get(), given); }).join();
    });
    EXPECT_FALSE(current_deadline.get());
}

TEST(CarrierDeadline, that_has_passed_is_not_sent_and_says_so) {
    for (const deadline_header header : {deadline_header::envoy, deadline_header::grpc}) {
        Context context = extracted({{"traceparent", parent_text}, {"grpc-timeout", "0n"}},
                                    {.deadline = deadline_header::grpc});
        context.run([&] {
            EXPECT_TRUE(current_deadline.get().passed());
            const Drops drops;
            map_type message;
            EXPECT_FALSE(inject(string_map(message), {.deadline = header}));
            EXPECT_EQ(message, (map_type{{"traceparent", parent_text}}));
            EXPECT_EQ(drops.all().size(), 1u);
            EXPECT_TRUE(inject(string_map(message), {.deadline = deadline_header::none}));
        });
    }
}

TEST(CarrierDeadline, that_is_malformed_is_none) {
    const Drops drops;
    for (const char* text : {"", "0", "-1", "1e3", "abc"})
        EXPECT_FALSE(extracted({{envoy, text}}).get(current_deadline, deadline())) << text;
    EXPECT_EQ(drops.all().size(), 5u);
    EXPECT_FALSE(
        extracted({{envoy, "1"}}, {.deadline = deadline_header::none}).contains(current_deadline));
}

// Exported variables.

struct Level {
    int number;
    friend bool operator==(const Level&, const Level&) = default;
};
struct level_codec {
    std::string encode(const Level& level) const { return "L" + std::to_string(level.number); }
    std::optional<Level> decode(std::string_view text) const {
        if (text.size() != 2 || text[0] != 'L')
            return std::nullopt;
        return Level{text[1] - '0'};
    }
};

const ContextVar<std::string> tenant{"tenant", "nobody"};
const ContextVar<int> priority{"priority"};
const ContextVar<Level> level{"level"};
const edge trusts{.trust_baggage = true};

TEST(Export, of_a_variable_leaves_and_comes_back) {
    const auto a = export_as(tenant, "tenant");
    const auto b = export_as(priority, "priority");
    const auto c = export_as(level, "level", level_codec{});
    const map_type message = injected(
        Context().with(tenant.to("K\xc3\xb6ln, 50%"), priority.to(-3), level.to(Level{5})));
    EXPECT_EQ(message, (map_type{{"baggage", "tenant=K%C3%B6ln%2C%2050%25,priority=-3,level=L5"}}));
    const Context context = extracted(message, trusts);
    EXPECT_EQ(context[tenant], "K\xc3\xb6ln, 50%");
    EXPECT_EQ(context[priority], -3);
    EXPECT_EQ(context[level], Level{5});
}

TEST(Export, is_off_by_default) {
    EXPECT_TRUE(injected(Context().with(tenant.to("ann"))).empty());
    EXPECT_FALSE(extracted({{"baggage", "tenant=ann"}}, trusts).contains(tenant));
}

TEST(Export, ends_with_the_object_that_stands_for_it) {
    {
        const auto a = export_as(tenant, "tenant");
        EXPECT_FALSE(injected(Context().with(tenant.to("ann"))).empty());
    }
    EXPECT_TRUE(injected(Context().with(tenant.to("ann"))).empty());
}

TEST(Export, sends_no_default) {
    const auto a = export_as(tenant, "tenant");
    EXPECT_TRUE(injected(Context()).empty());
}

TEST(Export, reads_nothing_from_an_edge_without_trust) {
    const auto a = export_as(tenant, "tenant");
    EXPECT_FALSE(extracted({{"baggage", "tenant=ann"}}).contains(tenant));
}

TEST(Export, keeps_the_place_of_its_member_and_sends_the_value_of_now) {
    const auto a = export_as(tenant, "tenant");
    Context context = extracted({{"baggage", "x=1,tenant=ann;p,y=2"}}, trusts);
    context.run([] { tenant.set("bob"); });
    EXPECT_EQ(injected(context), (map_type{{"baggage", "x=1,tenant=bob,y=2"}}));
}

TEST(Export, of_an_unbound_variable_sends_no_old_member) {
    const auto a = export_as(priority, "priority");
    const Drops drops;
    EXPECT_EQ(hop({{"baggage", "x=1,priority=high"}}), (map_type{{"baggage", "x=1"}}));
    EXPECT_EQ(drops.all(), std::vector{Drops::of("baggage", fault::refused)});
}

TEST(Export, does_not_take_numbers_that_do_not_fit) {
    const auto a = export_as(priority, "priority");
    for (const char* text : {"", "1x", "x", "99999999999", "%201", "1.5"})
        EXPECT_FALSE(
            extracted({{"baggage", std::string("priority=") + text}}, trusts).contains(priority))
            << text;
}

TEST(Export, that_exceeds_the_limits_is_dropped_whole) {
    const auto a = export_as(tenant, "tenant");
    const Drops drops;
    EXPECT_EQ(injected(extracted({{"baggage", "x=1,tenant=old"}}, trusts)
                           .with(tenant.to(std::string(9000, 'x')))),
              (map_type{{"baggage", "x=1"}}));
    EXPECT_EQ(drops.all(), std::vector{Drops::of("baggage", fault::too_long)});
}

TEST(Export, refuses_a_key_that_is_no_token_or_is_taken) {
    const auto a = export_as(tenant, "tenant");
    EXPECT_THROW(static_cast<void>(export_as(priority, "tenant")), contextvars::RuntimeError);
    EXPECT_THROW(static_cast<void>(export_as(priority, "")), contextvars::ValueError);
    EXPECT_THROW(static_cast<void>(export_as(priority, "a b")), contextvars::ValueError);
    const auto b = export_as(priority, "priority");
}

TEST(Export, whose_codec_throws_writes_nothing) {
    struct throws {
        std::string encode(int) const { throw 7; }
        std::optional<int> decode(std::string_view) const { return std::nullopt; }
    };
    const auto a = export_as(priority, "priority", throws{});
    Context context =
        Context().with(current_trace.to(*trace_parent::parse(parent_text)), priority.to(1));
    map_type message;
    context.run([&] { EXPECT_THROW(inject(string_map(message)), int); });
    EXPECT_TRUE(message.empty());
}

TEST(Export, has_a_codec_that_may_export) {
    // The program's code runs without a lock.
    struct exports {
        std::string encode(int) const {
            const auto inner = export_as(tenant, "tenant");
            return "1";
        }
        std::optional<int> decode(std::string_view) const { return std::nullopt; }
    };
    const auto a = export_as(priority, "priority", exports{});
    EXPECT_EQ(injected(Context().with(priority.to(1))), (map_type{{"baggage", "priority=1"}}));
}

} // namespace
