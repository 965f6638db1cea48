// SPDX-License-Identifier: MIT
#include <contextvars/propagation.hpp>
#include <contextvars/propagation/beast.hpp>

#include <contextvars/contextvars.hpp>

#include <boost/beast/http.hpp>
#include <gtest/gtest.h>

#include <string>

using namespace contextvars::propagation;
namespace http = boost::beast::http;

namespace {

using request_type = http::request<http::empty_body>;
const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static_assert(carrier_to_read<beast_fields<const request_type>>);
static_assert(carrier_to_write<beast_fields<request_type>>);
static_assert(carrier_to_write<beast_fields<http::fields>>);

TEST(Beast, fields_of_a_server_s_request_bring_a_context_and_those_of_a_client_s_get_it) {
    request_type request;
    request.set("TraceParent", parent); // in any case
    request.insert("tracestate", "a=1");
    request.insert("TRACESTATE", "b=2");
    request.insert("baggage", "c=3;p");
    request.insert("baggage", "d=4");
    request.set(http::field::host, "localhost");

    const request_type& received = request;
    contextvars::Context context = extract(beast_fields(received), {.trust_baggage = true});
    request_type next;
    context.run([&] { EXPECT_TRUE(inject(beast_fields(next))); });
    EXPECT_EQ(next["traceparent"], parent);
    EXPECT_EQ(next["tracestate"], "a=1,b=2");
    EXPECT_EQ(next["baggage"], "c=3;p,d=4");
    EXPECT_EQ(std::distance(next.begin(), next.end()), 3);
}

TEST(Beast, fields_that_are_set_stay) {
    http::fields fields;
    fields.set("Traceparent", "mine");
    contextvars::Context().with(current_trace.to(*trace_parent::parse(parent))).run([&] {
        inject(beast_fields(fields));
    });
    EXPECT_EQ(fields["traceparent"], "mine");
    EXPECT_EQ(fields.count("traceparent"), 1u);
}

} // namespace
