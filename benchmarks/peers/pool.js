// Node with ws and a mysql2 pool of 50: one INSERT a message, committed by itself, then the echo.
const {WebSocketServer} = require('ws');
const mysql = require('mysql2');

const [port, host, dbPort, user, password, database] = process.argv.slice(2);
const pool = mysql.createPool({host, port: Number(dbPort), user, password, database, connectionLimit: 50, timezone: 'Z'});
const server = new WebSocketServer({host: '127.0.0.1', port: Number(port), perMessageDeflate: false});

server.on('connection', (socket) => {
    // The pool may finish in any order; an echo waits for those before it.
    let last = Promise.resolve();
    socket.on('message', (data) => {
        const text = data.toString();
        const {speed, timestamp} = JSON.parse(text);
        const stored = pool.promise().execute('INSERT INTO speed_data (speed, timestamp) VALUES (?, ?)', [speed, new Date(timestamp)]);
        last = Promise.all([last, stored]).then(
            () => socket.send(text),
            (error) => {
                console.error(error.message);
                socket.close(1011);
            },
        );
    });
});
