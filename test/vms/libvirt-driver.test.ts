import { driverConformance } from '../conformance/driver.ts';
import { libvirtSubject } from '../conformance/libvirt-subject.ts';

driverConformance('libvirt', libvirtSubject);
