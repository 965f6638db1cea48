// A server that greets: a client sends its name in a line, and gets a line back, until it closes.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <contextvars/asio.hpp>

#include <string>

/// Who is served: each client's coroutine, and all that it calls, sees its own.
extern contextvars::ContextVar<std::string> client_name;

contextvars::awaitable<void> serve(boost::asio::ip::tcp::acceptor acceptor);
