#include "server.hpp"

#include <boost/asio.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

namespace net = boost::asio;
using net::ip::tcp;

int main(int argc, char** argv) try {
    const int port = argc > 1 ? std::stoi(argv[1]) : 8888;
    net::thread_pool pool(4);
    net::signal_set signals(pool, SIGINT, SIGTERM);
    signals.async_wait([&pool](boost::system::error_code, int) { pool.stop(); });

    tcp::acceptor acceptor(
        pool, tcp::endpoint(net::ip::address_v4::loopback(), static_cast<unsigned short>(port)));
    std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
    contextvars::co_spawn(pool, serve(std::move(acceptor)), net::detached);
    pool.join();
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
