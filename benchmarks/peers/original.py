"""The original design: an asyncio server, a connection to the database for each client, INSERT and COMMIT for each message."""

import asyncio
import json
import sys

import pymysql
from websockets.asyncio.server import ServerConnection, serve


async def main(port: str, host: str, db_port: str, user: str, password: str, database: str) -> None:
    async def echo(socket: ServerConnection) -> None:
        connection = pymysql.connect(host=host, port=int(db_port), user=user, password=password, database=database)
        try:
            async for text in socket:
                reading = json.loads(text)
                with connection.cursor() as cursor:
                    row = (reading["speed"], reading["timestamp"].rstrip("Z"))
                    cursor.execute("INSERT INTO speed_data (speed, timestamp) VALUES (%s, %s)", row)
                connection.commit()
                await socket.send(text)
        finally:
            connection.close()

    async with serve(echo, "127.0.0.1", int(port), compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
