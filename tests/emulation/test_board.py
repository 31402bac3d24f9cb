"""The stand-ins for network and machine."""

import pytest

from manyeyes.emulation.board import make_machine, make_network
from manyeyes.emulation.console import Console


@pytest.fixture
def network():
    return make_network(Console())


@pytest.fixture
def machine():
    return make_machine(Console())


def test_wifi_connects_at_once_and_says_once_what_it_stands_for(network, capsys):
    for _ in range(2):
        wlan = network.WLAN(network.STA_IF)
        assert not wlan.isconnected()
        wlan.active(True)
        assert wlan.active()
        wlan.connect("home", "secret")
        assert wlan.isconnected()
        assert wlan.status() == network.STAT_GOT_IP
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "network.WLAN stands for this machine's own network" in err
    assert "secret" not in err
    assert wlan.ifconfig()[0] == wlan.ipconfig("addr4")[0] == "127.0.0.1"
    assert wlan.config("ssid") == "home"
    assert len(wlan.config("mac")) == 6
    wlan.config(pm=0)
    assert wlan.config("pm") == 0
    with pytest.raises(ValueError, match="unknown config param"):
        wlan.config("colour")
    assert wlan.ifconfig("dhcp") is None
    assert wlan.ipconfig(dhcp4=True) is None
    assert wlan.status("rssi") < 0
    assert wlan.scan() == []
    wlan.disconnect()
    assert wlan.status() == network.STAT_IDLE
    wlan.connect()
    wlan.active(False)
    assert not wlan.isconnected()


def test_a_cable_is_connected_when_it_is_on(network):
    lan = network.LAN()
    assert not lan.isconnected()
    lan.active(True)
    assert lan.isconnected()


def test_names(network):
    assert network.hostname() == "openmv"
    network.hostname("porch")
    assert network.hostname() == "porch"
    assert network.country() == "XX"


def test_pins_and_leds_remember(machine, capsys):
    led = machine.LED("LED_BLUE")
    led.on()
    assert led.value() == 1
    led.toggle()
    assert led() == 0
    pin = machine.Pin("P0", machine.Pin.OUT, value=1)
    assert pin.value() == 1
    pin.low()
    pin.value(1)
    pin.off()
    pin.high()
    pin.init(machine.Pin.IN)
    pin.irq(handler=lambda pin: None, trigger=machine.Pin.IRQ_RISING)
    assert pin.value() == 1
    machine.WDT(timeout=1000).feed()
    assert capsys.readouterr().err.count("\n") == 3


def test_the_machine(machine, capsys):
    assert len(machine.unique_id()) == 8
    assert machine.freq() > 0
    assert machine.freq(1000) is None
    machine.idle()
    machine.lightsleep(1)
    machine.enable_irq(machine.disable_irq())
    assert machine.reset_cause() == machine.PWRON_RESET
    with pytest.raises(SystemExit) as caught:
        machine.reset()
    assert caught.value.code == 0
    assert "here it ends" in capsys.readouterr().err


def test_what_a_laptop_has_not(machine, network):
    with pytest.raises(NotImplementedError, match=r"machine\.I2C is not emulated"):
        _ = machine.I2C
    assert not hasattr(machine, "ADC")
    assert not hasattr(network, "Bluetooth")
