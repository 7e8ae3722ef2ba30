// A Bluetooth sensor as a source: a wheel's sensor, a treadmill or a trainer, from the moment the mode is chosen until another one is.

import * as Bluetooth from '../state/bluetooth.mjs';

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;

export class BluetoothSession {
    // measured: takes a speed (km/h) and when it was (epoch ms); changed: called when there is news of any kind.
    constructor({measured, changed}) {
        this.measured = measured;
        this.changed = changed;
        this.device = null;
        this.stop();
    }

    // What the page shows while no speed comes.
    get waiting() {
        return this.device ? `Waiting for ${this.device.name || 'the sensor'}.` : 'Choose a wheel sensor, a treadmill or a trainer.';
    }

    start() {
        this.active = true;
        this.problem = /** @type {any} */ (navigator).bluetooth ? null : Bluetooth.MISSING;
        if (this.device && !this.problem) {
            this.connect();
        }
    }

    stop() {
        this.active = false;
        this.device?.gatt.disconnect();
        Object.assign(this, {problem: null, wheel: null, retryMs: FIRST_RETRY_MS});
    }

    // By a click, as browsers demand.
    async choose() {
        const {bluetooth} = /** @type {any} */ (navigator);
        if (!this.active || !bluetooth) {
            return;
        }
        const filters = [{services: [Bluetooth.CSC.service]}, {services: [Bluetooth.FTMS.service]}];
        try {
            const device = await bluetooth.requestDevice({filters});
            this.device?.gatt.disconnect();
            this.device = device;
        } catch (refused) {
            this.problem = refused.name === 'NotFoundError' ? Bluetooth.NONE_CHOSEN : refused.message;
            this.changed();
            return;
        }
        this.device.addEventListener('gattserverdisconnected', () => this.lost());
        this.retryMs = FIRST_RETRY_MS;
        await this.connect();
    }

    async connect() {
        const {device} = this;
        try {
            const server = await device.gatt.connect();
            if (!this.active) { // left meanwhile
                device.gatt.disconnect();
                return;
            }
            await this.listen(server);
            this.problem = null;
            this.retryMs = FIRST_RETRY_MS;
            this.changed();
        } catch (failed) {
            console.info('the sensor does not answer', failed);
            this.lost();
        }
    }

    // The characteristics that hold a speed, of the services that the sensor has.
    async listen(server) {
        const {CSC, FTMS} = Bluetooth;
        /** @type {[number, number, (data: DataView) => void][]} */
        const kinds = [
            [CSC.service, CSC.measurement, (data) => this.turned(data)],
            [FTMS.service, FTMS.trainer, (data) => this.ran(data)],
            [FTMS.service, FTMS.treadmill, (data) => this.ran(data)],
        ];
        let heard = 0;
        for (const [service, characteristic, act] of kinds) {
            const found = await server.getPrimaryService(service).then((each) => each.getCharacteristic(characteristic)).catch(() => null);
            if (found) {
                found.oncharacteristicvaluechanged = ({target}) => act(target.value);
                await found.startNotifications();
                heard += 1;
            }
        }
        if (!heard) {
            throw new Error('it measures no speed');
        }
    }

    lost() {
        if (!this.active) {
            return;
        }
        this.problem = Bluetooth.AWAY;
        this.wheel = null;
        this.changed();
        const {device} = this;
        setTimeout(() => this.active && this.device === device && !device.gatt.connected && this.connect(), this.retryMs);
        this.retryMs = Math.min(2 * this.retryMs, MAX_RETRY_MS);
    }

    turned(data) {
        const measured = Bluetooth.wheel(data);
        if (measured) {
            const typed = Number(/** @type {HTMLInputElement} */ (document.getElementById('wheel')).value);
            this.wheel = Bluetooth.turn(this.wheel, measured, typed > 0 ? typed : Bluetooth.WHEEL_MM, Date.now());
            this.came(this.wheel.speed);
        }
    }

    ran(data) {
        this.came(Bluetooth.machine(data));
    }

    came(speed) {
        if (speed !== null && this.active) {
            this.measured(speed, Date.now());
            this.changed();
        }
    }
}
