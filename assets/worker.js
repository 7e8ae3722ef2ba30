// The service worker: where the server cannot be reached, a page that says what waits in this browser. Everything else comes from the server.

const CACHE = 'speeddash-offline-1';
const OFFLINE = '/assets/offline.html';

self.addEventListener('install', (event) => {
    self.skipWaiting();
    event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([OFFLINE, '/assets/offline.js', '/assets/favicon.svg'])));
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
    const {pathname} = new URL(event.request.url);
    if (pathname === '/assets/offline.js') {
        event.respondWith(caches.match(event.request, {ignoreSearch: true}).then((found) => found ?? fetch(event.request)));
    } else if (event.request.mode === 'navigate' && new URL(event.request.url).origin === self.location.origin) {
        event.respondWith(fetch(event.request).catch(() => caches.match(OFFLINE)));
    }
});
