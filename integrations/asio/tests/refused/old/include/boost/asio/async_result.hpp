// In the place of Asio's.
