"""The least there is: one client, one thread, INSERT, COMMIT, echo; frames are taken apart by hand."""

import json
import socket
import sys

import pymysql


def main(port: str, host: str, db_port: str, user: str, password: str, database: str) -> None:
    connection = pymysql.connect(host=host, port=int(db_port), user=user, password=password, database=database)
    cursor = connection.cursor()
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = b""
            while not head.endswith(b"\r\n\r\n") and (data := client.recv(4096)):
                head += data
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while head and len(frame := client.recv(4096)) > 6:
                size, mask = frame[1] & 0x7F, frame[2:6]
                text = bytes(byte ^ mask[at & 3] for at, byte in enumerate(frame[6:]))
                reading = json.loads(text)
                row = (reading["speed"], reading["timestamp"].rstrip("Z"))
                cursor.execute("INSERT INTO speed_data (speed, timestamp) VALUES (%s, %s)", row)
                connection.commit()
                client.sendall(bytes((0x81, size)) + text)
            client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
