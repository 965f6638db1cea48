// An Asio that is too old.
#define BOOST_ASIO_VERSION 101700
