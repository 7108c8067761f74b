import { driverConformance } from './driver.ts';
import { fakeSubject } from './fake-subject.ts';
import { libvirtSubject } from './libvirt-subject.ts';

driverConformance('fake', fakeSubject);
driverConformance('libvirt', libvirtSubject);
